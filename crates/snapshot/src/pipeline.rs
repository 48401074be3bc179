//! Reading, hashing and applying a layer at the same time.
//!
//! ```text
//! reader thread: read (and decompress) --+--> hash thread: diff id
//!                                        +--> caller's thread: apply
//! ```
//!
//! Chunks are shared, not copied, and go back to a pool; at most [`DEPTH`] wait for either
//! side, so memory is bounded by about 5 MiB however large the layer is.

use std::{
    io::{self, BufRead, Read},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use content::Hasher;
use types::Digest;

const CHUNK_BYTES: usize = 256 * 1024;
const DEPTH: usize = 8;

/// A piece of the stream; `len` bytes of the buffer are used.
struct Chunk {
    buffer: Vec<u8>,
    len: usize,
}

/// Buffers to be used again.
#[derive(Default)]
struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| vec![0; CHUNK_BYTES])
    }

    /// Gives a buffer back, unless the other side still reads it.
    fn give(&self, chunk: Arc<Chunk>) {
        if let Some(chunk) = Arc::into_inner(chunk) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(chunk.buffer);
        }
    }
}

/// Feeds `source` to `apply` and to `hasher`, and returns what both made of it.
///
/// The digest is of everything that was read, which is everything there is if `apply` reads to
/// the end.
pub(crate) fn run<T>(
    source: &mut (dyn Read + Send),
    mut hasher: Hasher,
    apply: impl FnOnce(&mut Stream<'_>) -> T,
) -> (T, Digest) {
    let pool = Pool::default();
    let (to_hash, hash_chunks) = sync_channel::<Arc<Chunk>>(DEPTH);
    let (to_apply, apply_chunks) = sync_channel(DEPTH);
    thread::scope(|scope| {
        scope.spawn(|| read(source, &pool, to_hash, to_apply));
        let hash = scope.spawn(|| {
            for chunk in hash_chunks {
                hasher.update(&chunk.buffer[..chunk.len]);
                pool.give(chunk);
            }
            hasher.finish()
        });
        let result = {
            let mut stream =
                Stream { chunks: apply_chunks, pool: &pool, current: None, at: 0, is_end: false };
            apply(&mut stream)
        };
        let digest = hash.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (result, digest)
    })
}

/// Reads until the end, an error, or until nobody applies any more.
fn read(
    source: &mut (dyn Read + Send),
    pool: &Pool,
    to_hash: SyncSender<Arc<Chunk>>,
    to_apply: SyncSender<io::Result<Arc<Chunk>>>,
) {
    loop {
        let mut buffer = pool.take();
        let len = match fill(source, &mut buffer) {
            Ok(0) => return,
            Ok(len) => len,
            Err(error) => {
                // If nobody listens, applying has ended with an error of its own.
                let _ = to_apply.send(Err(error));
                return;
            }
        };
        let chunk = Arc::new(Chunk { buffer, len });
        if to_hash.send(Arc::clone(&chunk)).is_err() || to_apply.send(Ok(chunk)).is_err() {
            return;
        }
    }
}

/// Fills the buffer as far as the source goes: decompressors give small pieces.
fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The applying side's view of the stream.
pub(crate) struct Stream<'p> {
    chunks: Receiver<io::Result<Arc<Chunk>>>,
    pool: &'p Pool,
    current: Option<Arc<Chunk>>,
    at: usize,
    is_end: bool,
}

impl BufRead for Stream<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let is_used_up = self.current.as_ref().is_none_or(|chunk| self.at == chunk.len);
        if is_used_up && !self.is_end {
            if let Some(chunk) = self.current.take() {
                self.pool.give(chunk);
            }
            self.at = 0;
            match self.chunks.recv() {
                Ok(chunk) => self.current = Some(chunk?),
                Err(_) => self.is_end = true,
            }
        }
        Ok(self.current.as_ref().map_or(&[], |chunk| &chunk.buffer[self.at..chunk.len]))
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
