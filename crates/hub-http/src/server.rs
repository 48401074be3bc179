//! Accepting connections, and stopping in good order.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::Service as _, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    origin::{Origin, Scheme},
    stall::StallGuard,
};

/// Also how long an idle connection is kept.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// A peer that takes nothing of its answer for so long is gone.
const WRITE_STALL: Duration = Duration::from_secs(60);
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bounds a request's head, and the pieces in which bodies arrive.
const BUFFER_BYTES: usize = 256 * 1024;
const MAX_CONNECTIONS: usize = 4096;
const DRAIN_TIME: Duration = Duration::from_secs(20);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Tells a server to stop; dropping it does so too.
pub struct Stop(watch::Sender<()>);

impl Stop {
    /// A signal that has not been given.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::channel(()).0)
    }

    /// Gives the signal.
    pub fn stop(self) {
        drop(self);
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// A listening server.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stopped: watch::Receiver<()>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// [`ServerError::Listen`].
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        router: Router,
        stop: &Stop,
    ) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let stopped = stop.0.subscribe();
        Ok(Self { listener, tls: tls.map(TlsAcceptor::from), router, stopped })
    }

    /// The address with its actual port.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until told to stop, then lets requests under way end, but not for ever.
    pub async fn run(mut self) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = self.stopped.changed() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = accept(&self.listener, &permits) => accepted,
            };
            let Some((stream, peer, permit)) = accepted else { continue };
            let serving = serve_stream(stream, peer.ip(), Serving::of(&self));
            connections.spawn(async move {
                serving.await;
                drop(permit);
            });
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIME, drained).await.is_err() {
            tracing::warn!("requests under way were cut off");
            connections.shutdown().await;
        }
    }
}

/// Waits for a free place, then for a client. Running out of descriptors passes; the pause keeps
/// the loop from spinning meanwhile.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// What one connection needs.
struct Serving {
    tls: Option<TlsAcceptor>,
    router: Router,
    stopped: watch::Receiver<()>,
}

impl Serving {
    fn of(server: &Server) -> Self {
        Self {
            tls: server.tls.clone(),
            router: server.router.clone(),
            stopped: server.stopped.clone(),
        }
    }
}

async fn serve_stream(stream: TcpStream, peer: IpAddr, serving: Serving) {
    // Small answers must not wait for the peer's acknowledgement of the last one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection lost before it began");
        return;
    }
    let Serving { tls, router, stopped } = serving;
    let Some(tls) = tls else {
        let origin = Origin { peer, scheme: Scheme::Http };
        return serve_http(stream, router, origin, stopped).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let origin = Origin { peer, scheme: Scheme::Https };
            serve_http(stream, router, origin, stopped).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    origin: Origin,
    mut stopped: watch::Receiver<()>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(origin);
        let line = Line::of(&request, origin.peer);
        let answering = router.call(request.map(Body::new));
        async move {
            let response = answering.await?;
            line.log(&response);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(BUFFER_BYTES);
    let io = TokioIo::new(StallGuard::new(stream, WRITE_STALL));
    let mut connection = pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, peer = %origin.peer, "connection ended early");
    }
}

/// A request in the log: never its query or headers, which may hold secrets.
struct Line {
    method: http::Method,
    path: String,
    peer: IpAddr,
    since: Instant,
}

impl Line {
    fn of(request: &Request<Incoming>, peer: IpAddr) -> Self {
        let path = request.uri().path().to_owned();
        Self { method: request.method().clone(), path, peer, since: Instant::now() }
    }

    fn log(&self, response: &Response<Body>) {
        tracing::info!(
            method = %self.method,
            path = self.path,
            peer = %self.peer,
            status = response.status().as_u16(),
            ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    }
}
