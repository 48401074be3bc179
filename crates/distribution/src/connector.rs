//! From a URL to a connected byte stream: TCP, through a proxy if need be, TLS if need be.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use base64::Engine as _;
use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::{ClientConfig, TransportError, config::split_authority, tls::TlsConfigs};

const PROXY_ANSWER_LIMIT: usize = 8 * 1024;

/// Connects for hyper's pool.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) tls: Arc<TlsConfigs>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection.
pub(crate) struct Link {
    stream: Box<dyn Stream>,
    is_proxied: bool,
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        // hyper writes absolute request targets on proxied plain connections.
        Connected::new().proxy(self.is_proxied)
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Link>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, TransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.config.connect_timeout;
            let link = tokio::time::timeout(limit, connector.connect(&uri))
                .await
                .map_err(|_| TransportError::Timeout { what: "connection" })??;
            Ok(TokioIo::new(link))
        })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<Link, TransportError> {
        let scheme = uri.scheme_str().unwrap_or("https");
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let (host, port) = split_authority(authority);
        let port = port.unwrap_or(if scheme == "https" { 443 } else { 80 });
        let proxy = self.config.proxy.for_host(scheme, host);
        let tcp = match proxy {
            Some(proxy) => dial(proxy.host_str().unwrap_or(""), proxy_port(proxy)).await?,
            None => dial(host, port).await?,
        };
        if scheme != "https" {
            return Ok(Link { stream: Box::new(tcp), is_proxied: proxy.is_some() });
        }
        let tcp = match proxy {
            Some(proxy) => tunnel(tcp, proxy, host, port).await?,
            None => tcp,
        };
        let tls = self.handshake(tcp, authority, host).await?;
        Ok(Link { stream: Box::new(tls), is_proxied: false })
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        authority: &str,
        host: &str,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, TransportError> {
        let broken = |source: io::Error| TransportError::Tls { host: host.to_owned(), source };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| broken(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let config = self.tls.of(authority)?;
        TlsConnector::from(config).connect(name, tcp).await.map_err(|error| {
            if is_not_tls(&error) { TransportError::NotTls } else { broken(error) }
        })
    }
}

fn is_not_tls(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidMessage(_)))
}

fn proxy_port(proxy: &Url) -> u16 {
    proxy.port_or_known_default().unwrap_or(3128)
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, TransportError> {
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<_> =
        found.map_err(|_| TransportError::Lookup { host: host.to_owned() })?.collect();
    let Some(first) = addresses.first() else {
        return Err(TransportError::Lookup { host: host.to_owned() });
    };
    let address = first.to_string();
    let stream =
        TcpStream::connect(&addresses[..]).await.map_err(|source| match source.kind() {
            io::ErrorKind::ConnectionRefused => {
                TransportError::ConnectionRefused { address: address.clone() }
            }
            _ => TransportError::Dial { address: address.clone(), source },
        })?;
    stream.set_nodelay(true).map_err(|source| TransportError::Dial { address, source })?;
    Ok(stream)
}

/// Asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6).
async fn tunnel(
    mut tcp: TcpStream,
    proxy: &Url,
    host: &str,
    port: u16,
) -> Result<TcpStream, TransportError> {
    let address =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
    if !proxy.username().is_empty() {
        let pair = format!("{}:{}", proxy.username(), proxy.password().unwrap_or(""));
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        request.push_str(&format!("Proxy-Authorization: Basic {encoded}\r\n"));
    }
    request.push_str("\r\n");
    let broken = |source| TransportError::Dial { address: address.clone(), source };
    tcp.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // One byte at a time: what follows the head belongs to the TLS handshake.
        let mut byte = [0u8; 1];
        let count = tcp.read(&mut byte).await.map_err(broken)?;
        if count == 0 || answer.len() >= PROXY_ANSWER_LIMIT {
            break;
        }
        answer.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&answer);
    let line = text.lines().next().unwrap_or("").to_owned();
    if line.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        Ok(tcp)
    } else {
        Err(TransportError::Proxy { address, answer: line })
    }
}
