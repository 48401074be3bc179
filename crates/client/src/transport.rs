//! One byte stream to the engine, over whatever the endpoint says.

use std::{
    io,
    pin::Pin,
    process::Stdio,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{
    ClientError,
    endpoint::{Endpoint, SshTarget},
    proxy::proxy_for,
};

/// A bidirectional stream; `shutdown` closes only the sending half.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A boxed [`Stream`].
pub type BoxStream = Box<dyn Stream>;

/// How a proxy is used, if there is one on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// It forwards one request, which names the engine (without TLS only).
    Request,
    /// It forwards bytes.
    Tunnel,
}

/// `host:port`, an IPv6 address in brackets.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Opens a stream to `endpoint`.
///
/// # Errors
/// [`ClientError::Unreachable`], [`ClientError::Denied`] or [`ClientError::Tls`].
pub(crate) async fn connect(
    endpoint: &Endpoint,
    tls: Option<&Arc<ClientConfig>>,
    via: Via,
) -> Result<BoxStream, ClientError> {
    let failed = |source: io::Error| {
        let endpoint = endpoint.to_string();
        match source.kind() {
            io::ErrorKind::PermissionDenied => ClientError::Denied { endpoint, source },
            _ => ClientError::Unreachable { endpoint, source },
        }
    };
    match endpoint {
        Endpoint::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?)),
        Endpoint::Tcp { host, port, .. } => {
            let proxy = proxy_for(host, *port, tls.is_some());
            let stream = match (&proxy, via) {
                (Some(proxy), Via::Request) if tls.is_none() => proxy.connect().await,
                (Some(proxy), _) => proxy.tunnel(&authority(host, *port)).await,
                (None, _) => TcpStream::connect((host.as_str(), *port)).await,
            };
            let stream = stream.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            match tls {
                Some(config) => handshake(stream, host, config, endpoint).await,
                None => Ok(Box::new(stream)),
            }
        }
        Endpoint::Ssh(target) => Ok(Box::new(SshStream::spawn(target).map_err(failed)?)),
    }
}

async fn handshake(
    stream: TcpStream,
    host: &str,
    config: &Arc<ClientConfig>,
    endpoint: &Endpoint,
) -> Result<BoxStream, ClientError> {
    let failed = |reason: String| ClientError::Tls { endpoint: endpoint.to_string(), reason };
    let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(e.to_string()))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let stream = connector.connect(name, stream).await.map_err(|e| failed(e.to_string()))?;
    Ok(Box::new(stream))
}

/// The standard streams of an `ssh` process, which ends with the stream.
struct SshStream {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    _child: Child,
}

/// The far side's command: gantry where it is installed, else docker.
fn remote_command(target: &SshTarget) -> String {
    let host = target.socket.as_ref().map(|s| format!("--host unix://{s} ")).unwrap_or_default();
    format!(
        "if command -v gantry >/dev/null 2>&1; then exec gantry {host}system dial-stdio; \
         else exec docker {host}system dial-stdio; fi"
    )
}

impl SshStream {
    fn spawn(target: &SshTarget) -> io::Result<Self> {
        let mut command = Command::new("ssh");
        if let Some(user) = &target.user {
            command.args(["-l", user]);
        }
        if let Some(port) = target.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["-o", "ConnectTimeout=30", "-T", "--", &target.host]);
        // POSIX shells only on the far side, whatever the login shell is.
        command.args(["sh", "-c"]).arg(format!("'{}'", remote_command(target)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { stdin, stdout, _child: child })
    }
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        // Dropping the pipe is what tells the far side that nothing more comes.
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}
