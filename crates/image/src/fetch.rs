//! One layer on its way here: socket, blob file and unpacked directory at once.
//!
//! The async side moves bytes from the registry into a channel. A blocking thread writes them to
//! the ingest, which is the journal: named by the blob's digest, it outlives the connection and
//! the engine, and the next attempt goes on where it ends. A second thread decompresses and
//! unpacks the same bytes. A resumed blob is completed first and unpacked from the file, because
//! the decompressor needs it from the start.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc as sync_mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use content::{ContentError, Ingest};
use distribution::Repository;
use metadata::image::{self as rows, BlobRow};
use oci::image::Descriptor;
use snapshot::Unpacked;
use tokio::sync::{mpsc, oneshot};
use types::Digest;

use crate::{
    ImageError, LayerStatus, config,
    images::Inner,
    layer::abort,
    progress::{Meter, Reporter},
    stream::Tee,
};

/// Of at most 256 KiB each, in each of two channels per layer: memory stays flat.
const PIECES_AHEAD: usize = 8;
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// One layer to fetch.
pub(crate) struct LayerJob {
    pub(crate) repository: Repository,
    pub(crate) blob: Descriptor,
    pub(crate) diff_id: Digest,
    pub(crate) reporter: Reporter,
}

impl LayerJob {
    fn label(&self) -> &str {
        self.blob.digest.short()
    }

    fn source(&self) -> String {
        self.repository.reference().name()
    }
}

/// How the blocking side ended.
enum Stored {
    /// Blob committed, layer unpacked.
    Whole(Unpacked),
    /// The bytes ended early; the ingest is kept.
    Partial,
}

impl Inner {
    /// Brings a layer here, unless it stands. The caller holds the diff id.
    pub(crate) async fn fetch_layer(self: Arc<Self>, job: LayerJob) -> Result<(), ImageError> {
        let job = Arc::new(job);
        let flight = self.flights.of(&job.diff_id);
        // Whoever comes second waits here, and finds the layer standing or tries itself.
        let (_turn, waited) = match flight.try_lock() {
            Ok(turn) => (turn, false),
            Err(_) => {
                job.reporter.layer(job.label(), LayerStatus::Waiting).await;
                (flight.lock().await, true)
            }
        };
        if self.note_standing(&job)? {
            let status =
                if waited { LayerStatus::PullComplete } else { LayerStatus::AlreadyExists };
            job.reporter.layer(job.label(), status).await;
            return Ok(());
        }
        let unpacked = match self.transfer(&job).await {
            Err((Resumed::Yes, ImageError::Content(ContentError::DigestMismatch { .. }))) => {
                tracing::warn!(digest = %job.blob.digest, "a resumed blob was spoilt, starting over");
                self.transfer(&job).await
            }
            other => other,
        };
        let unpacked = unpacked.map_err(|(_, error)| match error {
            ImageError::Content(ContentError::DigestMismatch { expected, actual }) => {
                ImageError::LayerVerification { expected, actual }
            }
            other => other,
        })?;
        self.write(|c| {
            rows::insert_layer(c, &unpacked.diff_id, unpacked.size_bytes, config::now_ns())?;
            rows::insert_blob(c, &blob_row(&job, true))?;
            Ok(rows::insert_source(c, &job.blob.digest, &job.source())?)
        })?;
        job.reporter.layer(job.label(), LayerStatus::PullComplete).await;
        Ok(())
    }

    /// Whether the layer stands; then the blob is at least remembered.
    fn note_standing(&self, job: &LayerJob) -> Result<bool, ImageError> {
        if self.standing(&job.diff_id)?.is_none() {
            return Ok(false);
        }
        self.write(|c| {
            rows::insert_blob(c, &blob_row(job, false))?;
            rows::insert_source(c, &job.blob.digest, &job.source())?;
            Ok(true)
        })
    }

    async fn transfer(
        self: &Arc<Self>,
        job: &Arc<LayerJob>,
    ) -> Result<Unpacked, (Resumed, ImageError)> {
        if self.downloads.available_permits() == 0 {
            job.reporter.layer(job.label(), LayerStatus::Waiting).await;
        }
        let _permit =
            self.downloads.acquire().await.expect("the semaphore lives as long as the service");
        let (bytes, receiver) = mpsc::channel(PIECES_AHEAD);
        let (offset, known_offset) = oneshot::channel();
        let sink = Sink { job: job.clone(), bytes: receiver };
        let inner = self.clone();
        let storing = tokio::task::spawn_blocking(move || inner.store(sink, offset));
        let (resumed, failure) = match known_offset.await {
            Ok(at) => (Resumed::at(at), download(job, at, bytes).await.err()),
            // The sink failed before it could say; its result tells.
            Err(_) => (Resumed::No, None),
        };
        let stored = match storing.await {
            Ok(stored) => stored,
            Err(error) => Err(error.into()),
        };
        match (stored, failure) {
            (Ok(Stored::Whole(unpacked)), _) => Ok(unpacked),
            (Ok(Stored::Partial), Some(error)) => Err((resumed, error)),
            (Err(error), _) => Err((resumed, error)),
            (Ok(Stored::Partial), None) => {
                Err((resumed, ImageError::Shared("download was cancelled".to_owned())))
            }
        }
    }

    /// The blocking side: everything between the channel and the disk.
    fn store(&self, mut sink: Sink, offset: oneshot::Sender<u64>) -> Result<Stored, ImageError> {
        let mut ingest = self.journal(&sink.job.blob.digest)?;
        if ingest.offset() > sink.job.blob.size {
            ingest.restart()?;
        }
        ingest.limit(sink.job.blob.size);
        let is_fresh = ingest.offset() == 0;
        if offset.send(ingest.offset()).is_err() {
            return Ok(Stored::Partial);
        }
        if is_fresh {
            return self.write_and_unpack(&mut sink, ingest);
        }
        match self.write_blob(&mut sink, ingest, None)? {
            Written::Whole => self.unpack_blob(&sink.job).map(Stored::Whole),
            Written::Partial => Ok(Stored::Partial),
        }
    }

    /// Opens the ingest. The thread of a pull that was just cancelled may hold it a moment more.
    fn journal(&self, digest: &Digest) -> Result<Ingest<'_>, ImageError> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match self.stores.content.ingest(&digest.to_string()) {
                Err(ContentError::Locked { .. }) if Instant::now() < deadline => {
                    thread::sleep(LOCK_POLL);
                }
                other => return Ok(other?),
            }
        }
    }

    /// Unpacks on a second thread what this one writes. The blob is flushed while the other
    /// still unpacks.
    fn write_and_unpack(&self, sink: &mut Sink, ingest: Ingest<'_>) -> Result<Stored, ImageError> {
        let job = sink.job.clone();
        let is_down = AtomicBool::new(false);
        let (pieces, receiver) = sync_mpsc::sync_channel::<Bytes>(PIECES_AHEAD);
        let (written, unpacked) = thread::scope(|scope| {
            let (job, is_down) = (&job, &is_down);
            let unpacking = scope.spawn(move || {
                let source = Pieces { receiver, current: Bytes::new() };
                let mut metered = extracting(job, source, Some(is_down));
                self.unpack(&mut metered, Some(&job.diff_id))
            });
            let written = self.write_blob(sink, ingest, Some(Follower { pieces, is_down }));
            let unpacked =
                unpacking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (written, unpacked)
        });
        match (written?, unpacked) {
            (Written::Whole, Ok(unpacked)) => Ok(Stored::Whole(unpacked)),
            (Written::Whole, Err(error)) => {
                self.stores.content.delete(&job.blob.digest)?;
                Err(error)
            }
            // Cut short by the network unless unpacking failed first, which closed its end.
            (Written::Partial, Err(error)) if !is_cut(&error) => {
                self.journal(&job.blob.digest)?.abort()?;
                Err(error)
            }
            (Written::Partial, _) => Ok(Stored::Partial),
        }
    }

    /// Writes what comes to the ingest, and on to a follower. A failure that is not the network's
    /// removes the ingest: what is there is of no use, and may fill the disk.
    fn write_blob(
        &self,
        sink: &mut Sink,
        mut ingest: Ingest<'_>,
        follower: Option<Follower<'_>>,
    ) -> Result<Written, ImageError> {
        let (job, size) = (sink.job.clone(), sink.job.blob.size);
        while let Some(piece) = sink.bytes.blocking_recv() {
            if let Err(error) = ingest.write_all(&piece) {
                abort(ingest);
                return Err(ImageError::stream("write layer blob")(error));
            }
            if let Some(follower) = &follower {
                follower.is_down.store(ingest.offset() == size, Ordering::Relaxed);
                if follower.pieces.send(piece).is_err() {
                    break;
                }
            }
        }
        drop(follower);
        if ingest.offset() < size {
            return Ok(Written::Partial);
        }
        job.reporter.layer_blocking(job.label(), LayerStatus::VerifyingChecksum);
        if let Err(error) = ingest.commit(&job.blob.digest, Some(size)) {
            if matches!(error, ContentError::Io { .. }) {
                self.journal(&job.blob.digest)?.abort()?;
            }
            return Err(error.into());
        }
        job.reporter.layer_blocking(job.label(), LayerStatus::DownloadComplete);
        Ok(Written::Whole)
    }

    fn unpack_blob(&self, job: &LayerJob) -> Result<Unpacked, ImageError> {
        let file = self.stores.content.open_blob(&job.blob.digest)?;
        let mut metered = extracting(job, file, None);
        let unpacked = self.unpack(&mut metered, Some(&job.diff_id));
        if unpacked.is_err() {
            self.stores.content.delete(&job.blob.digest)?;
        }
        unpacked
    }
}

/// Moves bytes from the registry into the channel.
async fn download(
    job: &LayerJob,
    offset: u64,
    bytes: mpsc::Sender<Bytes>,
) -> Result<(), ImageError> {
    let mut download = job.repository.download(&job.blob, offset);
    let mut meter = Meter::new(&job.reporter, job.label(), LayerStatus::Downloading, job.blob.size);
    while let Some(piece) = download.next().await? {
        meter.set(download.offset());
        if bytes.send(piece).await.is_err() {
            // The disk side ended; its own error is the one to tell.
            return Ok(());
        }
    }
    Ok(())
}

/// Whether a transfer went on from bytes of an earlier one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resumed {
    Yes,
    No,
}

impl Resumed {
    fn at(offset: u64) -> Self {
        if offset > 0 { Self::Yes } else { Self::No }
    }
}

/// How far a blob was written.
enum Written {
    Whole,
    Partial,
}

/// Who unpacks what is written.
struct Follower<'a> {
    pieces: sync_mpsc::SyncSender<Bytes>,
    /// Set with the last piece.
    is_down: &'a AtomicBool,
}

struct Sink {
    job: Arc<LayerJob>,
    bytes: mpsc::Receiver<Bytes>,
}

fn blob_row(job: &LayerJob, is_local: bool) -> BlobRow {
    BlobRow {
        digest: job.blob.digest.clone(),
        diff_id: job.diff_id.clone(),
        media_type: job.blob.media_type.clone(),
        size_bytes: job.blob.size,
        is_local,
    }
}

/// Whether unpacking failed because its input ended early.
fn is_cut(error: &ImageError) -> bool {
    fn is_eof(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::UnexpectedEof
    }
    match error {
        ImageError::Snapshot(snapshot::SnapshotError::Archive(error)) => match error {
            snapshot::ArchiveError::Truncated { .. } => true,
            snapshot::ArchiveError::Read(error) => is_eof(error),
            _ => false,
        },
        ImageError::Decompress(snapshot::DecompressError::Read(error)) => is_eof(error),
        ImageError::Stream { source, .. } => is_eof(source),
        // An empty or short start reads as an empty archive of another digest.
        ImageError::Snapshot(snapshot::SnapshotError::DiffIdMismatch { .. }) => true,
        _ => false,
    }
}

/// Counts what the unpacking thread reads, once the download is over.
fn extracting<'a, R: Read + Send + 'a>(
    job: &LayerJob,
    source: R,
    is_down: Option<&'a AtomicBool>,
) -> impl Read + Send + 'a {
    let mut meter = Meter::new(&job.reporter, job.label(), LayerStatus::Extracting, job.blob.size);
    let mut total = 0;
    Tee::new(source, move |bytes: &[u8]| {
        total += bytes.len() as u64;
        if is_down.is_none_or(|flag| flag.load(Ordering::Relaxed)) {
            meter.set(total);
        }
        Ok(())
    })
}

/// The receiving end of a channel as a reader.
struct Pieces {
    receiver: sync_mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.recv() {
                Ok(piece) => self.current = piece,
                Err(_) => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
