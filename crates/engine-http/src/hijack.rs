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

use axum::{
    Extension,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::{header, request::Parts};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use crate::{
    ApiError, ApiVersion,
    websocket::{self, MessageKind},
};

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

/// What a handler asks of the connection's task: send this head, then serve.
pub(crate) struct Takeover {
    pub(crate) head: Vec<u8>,
    pub(crate) pause: Pause,
    pub(crate) serve: Box<dyn FnOnce(Hijacked) -> BoxFuture<'static, ()> + Send>,
}

/// Whether the first byte waits until the client has read the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// docker-py drops output that arrives in the same read as the head.
    UntilHeadIsRead,
    /// Go's clients keep what they read too much.
    None,
}

/// The way from a handler to its connection's task; lies in the request's extensions.
#[derive(Clone)]
pub(crate) struct Port(std::sync::Arc<std::sync::Mutex<Option<oneshot::Sender<Takeover>>>>);

impl Port {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Takeover>) {
        let (sender, receiver) = oneshot::channel();
        (Self(std::sync::Arc::new(std::sync::Mutex::new(Some(sender)))), receiver)
    }
}

/// Marks the answer that is never sent, because the connection was taken over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken;

/// A handler's right to take over its connection.
pub struct Hijack {
    port: Option<Port>,
    is_upgrade: bool,
    version: ApiVersion,
    pause: Pause,
}

impl<S: Sync> FromRequestParts<S> for Hijack {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let is_go = agent.is_some_and(|agent| {
            ["Docker-Client/", "Go-http-client/", "gantry/"].iter().any(|go| agent.starts_with(go))
        });
        Ok(Self {
            port: parts.extensions.get::<Port>().cloned(),
            is_upgrade: parts.headers.contains_key(header::UPGRADE),
            version: parts.extensions.get().copied().unwrap_or(ApiVersion::NEWEST),
            pause: if is_go { Pause::None } else { Pause::UntilHeadIsRead },
        })
    }
}

impl Hijack {
    /// Takes over the connection for an attachment: `101 UPGRADED` for clients that asked for an
    /// upgrade, a bare `200 OK` for older ones.
    ///
    /// # Errors
    /// 400 if the request did not come over a connection that can be taken over, or it was
    /// already.
    pub(crate) fn take(self, attachment: Attachment) -> Result<Response, ApiError> {
        let head = self.head(attachment.framing);
        self.take_with(head, attachment)
    }

    /// Takes over the connection for an attachment over WebSocket, whose handshake was answered by
    /// `head`.
    ///
    /// # Errors
    /// As [`Hijack::take`].
    pub(crate) fn take_websocket(
        self,
        head: &str,
        attachment: Attachment,
    ) -> Result<Response, ApiError> {
        let kind = if self.version.is_before(28) { MessageKind::Text } else { MessageKind::Binary };
        let head = format!("{head}{}\r\n", crate::api::headers_as_text()).into_bytes();
        self.take_with(head, websocket::wrap(attachment, kind))
    }

    fn take_with(self, head: Vec<u8>, attachment: Attachment) -> Result<Response, ApiError> {
        let sender = self.port.and_then(|port| {
            port.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        });
        let takeover = Takeover { head, pause: self.pause, serve: attachment.serve };
        match sender.map(|sender| sender.send(takeover)) {
            Some(Ok(())) => Ok((Extension(Taken), ()).into_response()),
            _ => Err(ApiError::invalid("the connection cannot be hijacked")),
        }
    }

    fn head(&self, framing: Framing) -> Vec<u8> {
        let fixed = crate::api::headers_as_text();
        let text = if self.is_upgrade {
            let content_type = crate::answer::media_type(framing, self.version);
            format!(
                "HTTP/1.1 101 UPGRADED\r\nContent-Type: {content_type}\r\n\
                 Connection: Upgrade\r\nUpgrade: tcp\r\n{fixed}\r\n"
            )
        } else {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n{fixed}\r\n"
            )
        };
        text.into_bytes()
    }
}
