//! Connections that leave HTTP: attach and exec.
//!
//! A backend prepares an [`Attachment`]: how its bytes are framed, and a closure that gets the
//! connection once the answer's head is on the wire. The connection is a [`Hijacked`] whatever
//! the transport (unix, TCP, TLS) and however it was taken over (`Upgrade` or not).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How several streams share the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One stream, as it is: a terminal.
    Raw,
    /// Docker's frames (see [`crate::stdcopy`]).
    Multiplexed,
}

/// What a backend prepared for a client that will be connected.
pub struct Attachment {
    /// How the bytes towards the client are framed.
    pub framing: Framing,
    /// Serves the connection until either side ends; runs on its own task.
    pub serve: Box<dyn FnOnce(Hijacked) -> BoxFuture<'static, ()> + Send>,
}

impl Attachment {
    /// An attachment from a closure.
    pub fn new<F, T>(framing: Framing, serve: F) -> Self
    where
        F: FnOnce(Hijacked) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Self { framing, serve: Box::new(move |stream| Box::pin(serve(stream))) }
    }
}

/// The transport of a hijacked connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// A client's connection after the HTTP head: bytes in both directions.
///
/// Reading 0 bytes means that the client closed its side (its stdin ended); writing still
/// works. `AsyncWriteExt::shutdown` closes only the engine's side. Split with
/// [`tokio::io::split`].
pub struct Hijacked {
    early: Bytes,
    transport: Box<dyn Duplex>,
}

impl Hijacked {
    /// Wraps a transport and the bytes that were already read from it.
    pub fn new(early: Bytes, transport: impl Duplex) -> Self {
        Self { early, transport: Box::new(transport) }
    }
}

impl AsyncRead for Hijacked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.has_remaining() {
            let length = self.early.remaining().min(buf.remaining());
            buf.put_slice(&self.early.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.transport).poll_read(cx, buf)
    }
}

impl AsyncWrite for Hijacked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
