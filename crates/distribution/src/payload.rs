//! What a request carries; can be sent again after a 401.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

const CHUNK: u64 = 512 * 1024;
const CHUNKS_AHEAD: usize = 2;

/// The body of a request.
#[derive(Clone)]
pub(crate) enum Payload {
    Empty,
    Bytes(Bytes),
    File(FilePart),
}

/// A range of a file.
#[derive(Clone)]
pub(crate) struct FilePart {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Counts bytes handed to the connection: progress, and the sign that it is not stuck.
    pub(crate) sent: Arc<AtomicU64>,
}

/// The body as hyper takes it.
pub(crate) struct PayloadBody {
    source: Source,
    remaining: u64,
}

enum Source {
    Whole(Option<Bytes>),
    Chunks(mpsc::Receiver<io::Result<Bytes>>, Arc<AtomicU64>),
}

impl Payload {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(part) => part.length,
        }
    }

    pub(crate) fn body(&self) -> PayloadBody {
        let source = match self {
            Self::Empty => Source::Whole(None),
            Self::Bytes(bytes) => Source::Whole(Some(bytes.clone())),
            Self::File(part) => Source::Chunks(read_ahead(part.clone()), part.sent.clone()),
        };
        PayloadBody { source, remaining: self.length() }
    }

    /// How many bytes went out so far, for a payload that is long enough to be watched.
    pub(crate) fn sent(&self) -> u64 {
        match self {
            Self::File(part) => part.sent.load(Ordering::Relaxed),
            _ => 0,
        }
    }
}

/// Reads on a blocking thread, at most two chunks ahead. The thread ends when the body is dropped.
fn read_ahead(part: FilePart) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let end = part.offset + part.length;
        let mut at = part.offset;
        while at < end {
            let mut buffer = vec![0u8; CHUNK.min(end - at) as usize];
            let read = part.file.read_exact_at(&mut buffer, at);
            at += buffer.len() as u64;
            let is_broken = read.is_err();
            let gone = sender.blocking_send(read.map(|()| Bytes::from(buffer))).is_err();
            if gone || is_broken {
                return;
            }
        }
    });
    receiver
}

impl Body for PayloadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let next = match &mut this.source {
            Source::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok),
            Source::Chunks(receiver, sent) => {
                let next = std::task::ready!(receiver.poll_recv(cx));
                if let Some(Ok(bytes)) = &next {
                    sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                next
            }
        };
        if let Some(Ok(bytes)) = &next {
            this.remaining = this.remaining.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(next.map(|result| result.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
