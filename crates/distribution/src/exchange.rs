//! One request and the head of its answer: deadlines, redirects, bounded documents.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{client::legacy, rt::TokioExecutor};
use oci::distribution::ErrorDocument;
use url::Url;

use crate::{
    ClientConfig, DistributionError, Refusal, TransportError,
    connector::Connector,
    payload::{Payload, PayloadBody},
};

const MAX_REDIRECTS: usize = 5;
const ERROR_LIMIT: usize = 64 * 1024;
/// A registry may hash or copy a whole blob before it answers an upload.
const UPLOAD_PATIENCE: u32 = 5;

/// One request.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
}

/// Sends requests over pooled connections.
#[derive(Clone)]
pub(crate) struct Http {
    client: legacy::Client<Connector, PayloadBody>,
    config: Arc<ClientConfig>,
}

impl Http {
    pub(crate) fn new(config: Arc<ClientConfig>, connector: Connector) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_max_idle_per_host(8)
            .http1_max_buf_size(256 * 1024)
            .build(connector);
        Self { client, config }
    }

    /// Sends a request; follows redirects of GET and HEAD, and drops the authorization when one
    /// leads to another host.
    pub(crate) async fn send(
        &self,
        mut exchange: Exchange,
    ) -> Result<Response<Incoming>, DistributionError> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send_once(&exchange).await?;
            let follows = matches!(exchange.method, Method::GET | Method::HEAD)
                && answer.status().is_redirection()
                && answer.status() != StatusCode::NOT_MODIFIED;
            if !follows {
                return Ok(answer);
            }
            let target = location(&answer, &exchange.url)?;
            self.redirect(&mut exchange, target)?;
        }
        let url = shown(&exchange.url);
        Err(DistributionError::Header { header: "Location", value: format!("{url} (too many)") })
    }

    fn redirect(&self, exchange: &mut Exchange, target: Url) -> Result<(), DistributionError> {
        if authority(&target) != authority(&exchange.url)
            || target.scheme() != exchange.url.scheme()
        {
            exchange.headers.remove(header::AUTHORIZATION);
        }
        let is_plain = target.scheme() == "http" && exchange.url.scheme() == "https";
        if is_plain && !self.config.is_insecure(&authority(&target)) {
            return Err(DistributionError::Header { header: "Location", value: shown(&target) });
        }
        exchange.url = target;
        Ok(())
    }

    async fn send_once(
        &self,
        exchange: &Exchange,
    ) -> Result<Response<Incoming>, DistributionError> {
        let failed = |source| DistributionError::Request {
            method: go_method(&exchange.method),
            url: shown(&exchange.url),
            source,
        };
        let mut request = Request::builder()
            .method(exchange.method.clone())
            .uri(exchange.url.as_str())
            .body(exchange.payload.body())
            .map_err(|error| failed(TransportError::Http(Box::new(error))))?;
        *request.headers_mut() = exchange.headers.clone();
        if let Ok(agent) = HeaderValue::from_str(&self.config.user_agent) {
            request.headers_mut().insert(header::USER_AGENT, agent);
        }
        if matches!(exchange.method, Method::POST | Method::PUT | Method::PATCH) {
            let length = HeaderValue::from(exchange.payload.length());
            request.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        self.answer(request, &exchange.payload).await.map_err(failed)
    }

    /// Waits for the head as long as bytes go out, then for the idle timeout.
    async fn answer(
        &self,
        request: Request<PayloadBody>,
        payload: &Payload,
    ) -> Result<Response<Incoming>, TransportError> {
        let patience = match payload {
            Payload::File(_) => UPLOAD_PATIENCE,
            _ => 1,
        };
        let future = self.client.request(request);
        tokio::pin!(future);
        let mut sent = payload.sent();
        let mut silent = 0;
        loop {
            match tokio::time::timeout(self.config.idle_timeout, &mut future).await {
                Ok(result) => return result.map_err(transport_error),
                Err(_) => silent += 1,
            }
            if payload.sent() != sent {
                sent = payload.sent();
                silent = 0;
            }
            if silent >= patience {
                return Err(TransportError::Timeout { what: "awaiting headers" });
            }
        }
    }

    /// The next piece of a body; `None` at its end.
    pub(crate) async fn piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, TransportError> {
        loop {
            let frame = tokio::time::timeout(self.config.idle_timeout, body.frame())
                .await
                .map_err(|_| TransportError::Timeout { what: "reading body" })?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(TransportError::Http(Box::new(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// A whole body of at most `limit` bytes; a longer one is an error.
    pub(crate) async fn document(
        &self,
        answer: Response<Incoming>,
        url: &Url,
        limit: Limit,
    ) -> Result<Bytes, DistributionError> {
        let mut body = answer.into_body();
        let mut all = BytesMut::new();
        let failed = |source| DistributionError::Request { method: "Get", url: shown(url), source };
        while let Some(piece) = self.piece(&mut body).await.map_err(failed)? {
            if all.len() + piece.len() > limit.bytes {
                return Err(DistributionError::TooLarge { what: limit.what, limit: limit.bytes });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Turns an answer that is not wanted into an error.
    pub(crate) async fn refusal(
        &self,
        answer: Response<Incoming>,
        method: &Method,
        url: &Url,
    ) -> DistributionError {
        let status = answer.status();
        let limit = Limit { what: "error document", bytes: ERROR_LIMIT };
        let body = self.document(answer, url, limit).await.unwrap_or_default();
        match parse_refusal(status, &body) {
            Some(refusal) => DistributionError::Refused(refusal),
            None => {
                DistributionError::Status { method: method.to_string(), url: shown(url), status }
            }
        }
    }
}

/// How long a document may be.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) what: &'static str,
    pub(crate) bytes: usize,
}

fn parse_refusal(status: StatusCode, body: &[u8]) -> Option<Refusal> {
    let status = status.as_u16();
    if let Ok(document) = serde_json::from_slice::<ErrorDocument>(body) {
        let first = document.errors.into_iter().next()?;
        let message =
            if first.message.is_empty() { first.code.to_lowercase() } else { first.message };
        return Some(Refusal { status, code: first.code, message });
    }
    // Token servers and Docker Hub have shapes of their own.
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = ["details", "message", "error_description", "error"]
        .iter()
        .find_map(|field| value.get(field).and_then(|text| text.as_str()))?;
    let code = match status {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        429 => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    };
    Some(Refusal { status, code: code.to_owned(), message: message.to_owned() })
}

/// hyper wraps what the connector said; it is dug out again.
fn transport_error(error: legacy::Error) -> TransportError {
    if !error.is_connect() {
        return TransportError::Http(Box::new(error));
    }
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref::<TransportError>() {
            return copy(found);
        }
        source = inner.source();
    }
    TransportError::Http(Box::new(error))
}

fn copy(error: &TransportError) -> TransportError {
    use TransportError as E;
    let io = |source: &std::io::Error| std::io::Error::new(source.kind(), source.to_string());
    match error {
        E::Lookup { host } => E::Lookup { host: host.clone() },
        E::ConnectionRefused { address } => E::ConnectionRefused { address: address.clone() },
        E::Dial { address, source } => E::Dial { address: address.clone(), source: io(source) },
        E::NotTls => E::NotTls,
        E::Tls { host, source } => E::Tls { host: host.clone(), source: io(source) },
        E::Certificates { host, source } => {
            E::Certificates { host: host.clone(), source: source.clone() }
        }
        E::CertificateDirectory { host, path, source } => {
            E::CertificateDirectory { host: host.clone(), path: path.clone(), source: io(source) }
        }
        E::Proxy { address, answer } => {
            E::Proxy { address: address.clone(), answer: answer.clone() }
        }
        E::Timeout { what } => E::Timeout { what },
        E::Http(source) => E::Http(source.to_string().into()),
    }
}

/// The absolute form of an answer's `Location`.
pub(crate) fn location<B>(answer: &Response<B>, base: &Url) -> Result<Url, DistributionError> {
    let value = answer.headers().get(header::LOCATION).map(|value| value.to_str().unwrap_or(""));
    let bad =
        || DistributionError::Header { header: "Location", value: value.unwrap_or("").to_owned() };
    let mut target = base.join(value.ok_or_else(bad)?).map_err(|_| bad())?;
    if !matches!(target.scheme(), "http" | "https") {
        return Err(bad());
    }
    // Registries behind a TLS proxy often name themselves by http.
    if base.scheme() == "https"
        && target.host_str() == base.host_str()
        && target.port() == base.port()
    {
        let _same_kind_of_scheme = target.set_scheme("https");
    }
    Ok(target)
}

/// `host[:port]` of a URL, as it stands in references.
pub(crate) fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

/// A URL without its query: signed queries are secrets.
pub(crate) fn shown(url: &Url) -> String {
    let mut bare = url.clone();
    bare.set_query(None);
    bare.into()
}

/// A method as Go's HTTP client writes it in errors.
pub(crate) fn go_method(method: &Method) -> &'static str {
    match *method {
        Method::HEAD => "Head",
        Method::POST => "Post",
        Method::PUT => "Put",
        Method::PATCH => "Patch",
        Method::DELETE => "Delete",
        _ => "Get",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_all_shapes() {
        let oci = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        let refusal = parse_refusal(StatusCode::NOT_FOUND, oci).unwrap();
        assert_eq!(refusal.to_string(), "manifest unknown: manifest unknown");
        let hub = br#"{"details":"incorrect username or password"}"#;
        let refusal = parse_refusal(StatusCode::UNAUTHORIZED, hub).unwrap();
        assert_eq!(refusal.to_string(), "unauthorized: incorrect username or password");
        assert!(parse_refusal(StatusCode::BAD_GATEWAY, b"<html>").is_none());
    }

    #[test]
    fn locations_are_resolved_and_kept_on_tls() {
        let base: Url = "https://hub.test:5000/v2/x/blobs/uploads/".parse().unwrap();
        let answer = |value: &str| Response::builder().header("location", value).body(()).unwrap();
        let of = |value: &str| location(&answer(value), &base).map(String::from);
        assert_eq!(of("/v2/u?a=1").unwrap(), "https://hub.test:5000/v2/u?a=1");
        assert_eq!(of("http://hub.test:5000/u").unwrap(), "https://hub.test:5000/u");
        assert_eq!(of("https://s3.test/u").unwrap(), "https://s3.test/u");
        assert!(of("file:///etc/passwd").is_err());
        assert_eq!(shown(&"https://s3.test/u?sig=1".parse().unwrap()), "https://s3.test/u");
    }
}
