//! The client: connections, versions, errors. Calls by resource are in the sibling modules.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    ClientError,
    answer::Answer,
    endpoint::Endpoint,
    hijack::{self, Hijacked, Outcome},
    proxy::proxy_for,
    request::{Body, Request},
    tls::TlsFiles,
    transport::{self, BoxStream, Via, authority},
    version::{self, ApiVersion},
};

const STREAM_CHUNK_LEN: usize = 128 * 1024;

type WireBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// How to build a [`Client`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the engine is.
    pub endpoint: Endpoint,
    /// TLS for `tcp://`; `None` is plain text.
    pub tls: Option<TlsFiles>,
    /// A version asked for by the user, which is then not negotiated.
    pub version: Option<ApiVersion>,
    /// Headers of every request (`HttpHeaders` of the configuration file).
    pub headers: Vec<(String, String)>,
    /// The product's name and version.
    pub user_agent: String,
}

/// A client of one engine. Each request has its own connection, so none waits for another.
pub struct Client {
    options: Options,
    tls: OnceLock<Arc<ClientConfig>>,
    version: Mutex<ApiVersion>,
}

#[derive(Deserialize)]
struct ErrorDocument {
    #[serde(alias = "Message")]
    message: String,
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let version = Mutex::new(options.version.unwrap_or(version::NEWEST));
        Self { options, tls: OnceLock::new(), version }
    }

    /// The address of the engine.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.options.endpoint
    }

    /// The version that requests are sent with now.
    #[must_use]
    pub fn version(&self) -> ApiVersion {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a raw connection, as `system dial-stdio` needs it.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Denied`] or TLS errors.
    pub async fn dial(&self) -> Result<BoxStream, ClientError> {
        self.dial_via(Via::Tunnel).await
    }

    async fn dial_via(&self, via: Via) -> Result<BoxStream, ClientError> {
        let tls = match (&self.options.endpoint, &self.options.tls) {
            (Endpoint::Tcp { .. }, Some(files)) => Some(self.tls_config(files)?),
            _ => None,
        };
        transport::connect(&self.options.endpoint, tls.as_ref(), via).await
    }

    fn tls_config(&self, files: &TlsFiles) -> Result<Arc<ClientConfig>, ClientError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = files.config()?;
        Ok(Arc::clone(self.tls.get_or_init(|| config)))
    }

    /// Sends `request`; settles on an older version if the engine wants one.
    ///
    /// # Errors
    /// [`ClientError::Engine`] for every status of 400 and above, transport errors otherwise.
    pub async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let Request { method, path, query, headers, body, is_versioned } = request;
        let json = match body {
            Body::Stream(stream) => {
                // A stream can be sent once only, so the version must be right before.
                if is_versioned {
                    self.negotiate().await?;
                }
                let body = Body::Stream(stream);
                return self
                    .send_once(Request { method, path, query, headers, body, is_versioned })
                    .await;
            }
            Body::Json(bytes) => Some(bytes),
            Body::Empty => None,
        };
        let attempt = || Request {
            method: method.clone(),
            path: path.clone(),
            query: query.clone(),
            headers: headers.clone(),
            body: json.clone().map_or(Body::Empty, Body::Json),
            is_versioned,
        };
        match self.send_once(attempt()).await {
            Err(ClientError::Engine { status, message }) if is_versioned => {
                self.step_down(status, message)?;
                self.send_once(attempt()).await
            }
            result => result,
        }
    }

    /// Takes the engine's version after a refusal; gives the refusal back if it was another one.
    fn step_down(&self, status: u16, message: String) -> Result<(), ClientError> {
        let wanted = version::refused_as_too_new(status, None, &message)
            .filter(|_| self.options.version.is_none());
        match wanted {
            Some(engine) => self.settle(engine),
            None => Err(ClientError::Engine { status, message }),
        }
    }

    fn settle(&self, engine: ApiVersion) -> Result<(), ClientError> {
        if engine < version::OLDEST {
            return Err(ClientError::TooOld {
                engine: engine.to_string(),
                minimum: version::OLDEST.to_string(),
            });
        }
        let mut current = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        *current = engine.min(version::NEWEST);
        Ok(())
    }

    /// Asks the engine for its version with a ping.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn negotiate(&self) -> Result<(), ClientError> {
        if self.options.version.is_some() {
            return Ok(());
        }
        let answer = Box::pin(self.send(Request::head("/_ping").unversioned())).await?;
        match answer.header("api-version").and_then(|text| text.parse().ok()) {
            Some(engine) => self.settle(engine),
            None => Ok(()),
        }
    }

    async fn send_once(&self, request: Request) -> Result<Answer, ClientError> {
        let path = request.path.clone();
        let has_body = request.method != http::Method::HEAD;
        let wire = self.wire_request(request)?;
        let stream = self.dial_via(Via::Request).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| ClientError::transport("opening the connection", e))?;
        // The connection's own errors arrive at the sender or the body as well.
        tokio::spawn(connection);
        let response = sender
            .send_request(wire)
            .await
            .map_err(|e| ClientError::transport("sending the request", e))?;
        let (head, body) = response.into_parts();
        let mut answer = Answer { path, head, body };
        if answer.status() < 400 {
            return Ok(answer);
        }
        let body = if has_body { answer.bytes().await? } else { Bytes::new() };
        Err(engine_error(answer.status(), &body))
    }

    fn prefix(&self, is_versioned: bool) -> String {
        let base = match &self.options.endpoint {
            Endpoint::Tcp { prefix, .. } => prefix.as_str(),
            _ => "",
        };
        if is_versioned { format!("{base}/v{}", self.version()) } else { base.to_owned() }
    }

    fn host_header(&self) -> String {
        match &self.options.endpoint {
            Endpoint::Tcp { host, port, .. } => authority(host, *port),
            _ => "api.gantry.localhost".to_owned(),
        }
    }

    fn wire_request(&self, request: Request) -> Result<http::Request<WireBody>, ClientError> {
        let proxy = match (&self.options.endpoint, &self.options.tls) {
            (Endpoint::Tcp { host, port, .. }, None) => proxy_for(host, *port, false),
            _ => None,
        };
        let target = request.target(&self.prefix(request.is_versioned));
        let target = match proxy {
            // A proxy must be told whom the request is for.
            Some(_) => format!("http://{}{target}", self.host_header()),
            None => target,
        };
        let mut builder = http::Request::builder()
            .method(request.method.clone())
            .uri(target)
            .header("Host", self.host_header())
            .header("User-Agent", &self.options.user_agent);
        if let Some(proof) = proxy.and_then(|proxy| proxy.authorization()) {
            builder = builder.header("Proxy-Authorization", proof);
        }
        for (name, value) in &self.options.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if matches!(request.body, Body::Json(_)) {
            builder = builder.header("Content-Type", "application/json");
        } else if matches!(request.body, Body::Empty) && request.method == http::Method::POST {
            builder = builder.header("Content-Length", "0");
        }
        let body = wire_body(request.body);
        builder.body(body).map_err(|e| ClientError::transport("building the request", e))
    }

    /// Sends `request` and takes the connection over.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn hijack(&self, request: &Request) -> Result<Hijacked, ClientError> {
        match self.hijack_once(request).await {
            Err(ClientError::Engine { status, message }) => {
                self.step_down(status, message)?;
                self.hijack_once(request).await
            }
            result => result,
        }
    }

    async fn hijack_once(&self, request: &Request) -> Result<Hijacked, ClientError> {
        let stream = self.dial().await?;
        let body = match &request.body {
            Body::Json(bytes) => bytes.clone(),
            Body::Empty | Body::Stream(_) => Bytes::new(),
        };
        let head = self.upgrade_head(request, body.len());
        match hijack::upgrade(stream, &head, &body).await? {
            Outcome::Raw(stream) => Ok(stream),
            Outcome::Refused(head, body) => Err(engine_error(head.status, &body)),
        }
    }

    fn upgrade_head(&self, request: &Request, body_len: usize) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
             Content-Length: {body_len}\r\n",
            request.method,
            request.target(&self.prefix(request.is_versioned)),
            self.host_header(),
            self.options.user_agent,
        );
        let own = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let common = self.options.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        for (name, value) in common.chain(own) {
            // A line break would end the header and start another.
            if !name.contains(['\r', '\n']) && !value.contains(['\r', '\n']) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let kind = if body_len == 0 { "text/plain" } else { "application/json" };
        head.push_str(&format!("Content-Type: {kind}\r\n\r\n"));
        head
    }

    /// Sends `request` and reads the answer as a document.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Answer::document`].
    pub async fn document<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        self.send(request).await?.document().await
    }

    /// Sends `request` and reads the answer's bytes.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn bytes(&self, request: Request) -> Result<Bytes, ClientError> {
        self.send(request).await?.bytes().await
    }

    /// Sends `request` and drops the answer's body.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn act(&self, request: Request) -> Result<(), ClientError> {
        self.bytes(request).await.map(drop)
    }
}

fn engine_error(status: u16, body: &[u8]) -> ClientError {
    let message = match serde_json::from_slice::<ErrorDocument>(body) {
        Ok(document) => document.message,
        Err(_) => {
            let text = String::from_utf8_lossy(body).trim().to_owned();
            if text.is_empty() { format!("request returned status {status}") } else { text }
        }
    };
    ClientError::Engine { status, message: message.trim_end().to_owned() }
}

fn wire_body(body: Body) -> WireBody {
    match body {
        Body::Empty => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        Body::Json(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        Body::Stream(reader) => {
            let chunks = futures_util::stream::try_unfold(reader, read_chunk);
            StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync()
        }
    }
}

type Reader = Box<dyn AsyncRead + Send + Sync + Unpin>;

async fn read_chunk(mut reader: Reader) -> std::io::Result<Option<(Bytes, Reader)>> {
    let mut buffer = bytes::BytesMut::with_capacity(STREAM_CHUNK_LEN);
    match reader.read_buf(&mut buffer).await? {
        0 => Ok(None),
        _ => Ok(Some((buffer.freeze(), reader))),
    }
}
