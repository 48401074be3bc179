//! Bodies of unknown length in both directions: archives, logs, exports.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

/// A stream of byte chunks; an error ends it.
pub struct ByteStream(BoxStream<'static, io::Result<Bytes>>);

impl ByteStream {
    /// Wraps a stream of chunks.
    pub fn new(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self(stream.boxed())
    }

    /// Reads the chunks from a reader, 64 KiB at a time.
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::new(ReaderStream::with_capacity(reader, 64 * 1024))
    }

    /// Turns the chunks into a reader, e.g. for `tokio_util::io::SyncIoBridge`.
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin + 'static {
        StreamReader::new(self.0)
    }

    /// A stream of one chunk.
    pub fn once(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(futures_util::stream::once(async move { Ok(bytes) }))
    }

    /// Takes a request's body.
    #[must_use]
    pub fn from_body(body: axum::body::Body) -> Self {
        Self::new(body.into_data_stream().map_err(io::Error::other))
    }

    /// Makes it a response's body.
    #[must_use]
    pub fn into_body(self) -> axum::body::Body {
        axum::body::Body::from_stream(self.0)
    }
}

impl Stream for ByteStream {
    type Item = io::Result<Bytes>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}
