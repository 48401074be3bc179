//! The accept loop: own, on hyper's HTTP/1, because attach and exec need the connection itself.
//!
//! Bounds: connections in all, the size and number of request headers, the time for a head and
//! for a TLS handshake. A connection over the bound waits in the kernel's queue.

pub mod address;
mod connection;
mod departure;
pub mod listener;
mod transport;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

pub use address::{Address, AddressError};
pub use listener::{ListenError, Listener};

use crate::api::Api;

/// What a server puts up with.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections, hijacked ones included.
    pub connections: usize,
    /// For the head of a request, and between two requests.
    pub head_time: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// For a TLS handshake.
    pub handshake_time: Duration,
    /// For requests that run when the server is told to stop.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head_time: Duration::from_secs(120),
            head_bytes: 256 * 1024,
            headers: 128,
            handshake_time: Duration::from_secs(10),
            stop_time: Duration::from_secs(5),
        }
    }
}

/// A server for one API on any number of listeners.
#[derive(Clone)]
pub struct Server {
    api: Api,
    limits: Arc<Limits>,
    connections: Arc<Semaphore>,
}

impl Server {
    /// Makes a server; nothing is served before [`Server::serve`].
    #[must_use]
    pub fn new(api: Api, limits: Limits) -> Self {
        let connections = Arc::new(Semaphore::new(limits.connections));
        Self { api, limits: Arc::new(limits), connections }
    }

    /// Serves until `stop` is cancelled, then lets running requests end within
    /// [`Limits::stop_time`] and cuts the rest.
    pub async fn serve(self, listeners: Vec<Listener>, stop: CancellationToken) {
        let mut loops = JoinSet::new();
        for listener in listeners {
            loops.spawn(self.clone().accept_all(listener, stop.clone()));
        }
        while let Some(ended) = loops.join_next().await {
            report(ended);
        }
    }

    async fn accept_all(self, listener: Listener, stop: CancellationToken) {
        let mut open = JoinSet::new();
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = open.join_next() => { report(ended); continue }
                permit = self.connections.clone().acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let transport = tokio::select! {
                () = stop.cancelled() => break,
                transport = accept(&listener) => transport,
            };
            let server = self.clone();
            let stop = stop.clone();
            open.spawn(async move {
                server.serve_connection(transport, stop).await;
                drop(permit);
            });
        }
        // No new connections from here on; the path is gone before the last answers are sent.
        drop(listener);
        self.finish(open).await;
    }

    async fn serve_connection(&self, transport: transport::Accepted, stop: CancellationToken) {
        let handshake = tokio::time::timeout(self.limits.handshake_time, transport.handshake());
        match handshake.await {
            Ok(Ok(transport)) => {
                connection::serve(transport, &self.api, &self.limits, stop).await;
            }
            Ok(Err(error)) => tracing::warn!(%error, "a TLS handshake failed"),
            Err(_) => tracing::warn!("a TLS handshake took too long"),
        }
    }

    async fn finish(&self, mut open: JoinSet<()>) {
        let all = async {
            while let Some(ended) = open.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(self.limits.stop_time, all).await.is_err() {
            tracing::info!(connections = open.len(), "cutting connections that did not end");
            open.shutdown().await;
        }
    }
}

/// Accepts one connection, waiting out passing failures (no file descriptors, aborted peers).
async fn accept(listener: &Listener) -> transport::Accepted {
    loop {
        match listener.accept().await {
            Ok(transport) => return transport,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}
