//! Connections from the engine that begin inside a container's network.
//!
//! A socket belongs to the network namespace of the thread that makes it, for good. So only its
//! making happens on a thread in the container's namespace (some 50 µs); the rest is like any
//! other connection. Nothing runs in the container, and its processes see a client on loopback.

use std::{io, net::SocketAddr, os::fd::AsFd};

use tokio::net::{TcpSocket, TcpStream};

use crate::{Container, ContainerError};

/// Connects to `address` as seen from within the container.
///
/// # Errors
/// [`ContainerError::NotRunning`], [`ContainerError::Probe`].
pub(super) async fn connect(
    container: &Container,
    address: SocketAddr,
) -> Result<TcpStream, ContainerError> {
    let failed = |source| ContainerError::Probe { address: address.to_string(), source };
    let before = container.state();
    let not_running = || ContainerError::NotRunning(container.id.to_string());
    if !before.is_running() {
        return Err(not_running());
    }
    let namespace = sys::netns::of_process(before.pid).map_err(failed)?;
    // The number may have become another process': what was opened counts only if it still is
    // the init's.
    let now = container.state();
    if !now.is_running() || now.pid != before.pid {
        return Err(not_running());
    }
    let make = move || -> io::Result<TcpSocket> {
        sys::netns::inside(namespace.as_fd(), || match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        })?
    };
    let socket = tokio::task::spawn_blocking(make)
        .await
        .map_err(|error| failed(io::Error::other(error)))?
        .map_err(failed)?;
    socket.connect(address).await.map_err(failed)
}
