//! Making a layer of a stream: unpacked, kept as a blob, and noted.

use std::{
    io::{self, Read, Write},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use content::{Hasher, Ingest};
use flate2::write::GzEncoder;
use metadata::image::{self as rows, BlobRow};
use oci::media_type as media;
use snapshot::{Compression, Unpacked};
use types::{Digest, digest::Algorithm};

use crate::{
    Hold, ImageError, config,
    images::Inner,
    stream::{Tee, drain},
};

const BLOCK: usize = 256 * 1024;
const BLOCKS_AHEAD: usize = 16;
/// Fast: the blob is made while the caller waits, and sent once or never.
const GZIP_LEVEL: u32 = 1;

/// A layer that stands, with its blob; safe from removal while this value lives.
pub struct StoredLayer {
    /// Digest of the tar.
    pub diff_id: Digest,
    /// Unpacked size.
    pub size_bytes: u64,
    /// Its blob in the content store.
    pub blob: BlobRow,
    pub(crate) _hold: Hold,
}

/// The media type of a layer with this compression.
pub(crate) fn media_type(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => media::OCI_LAYER_GZIP,
        Compression::Zstd => media::OCI_LAYER_ZSTD,
        _ => media::OCI_LAYER,
    }
}

struct Made {
    unpacked: Unpacked,
    blob: BlobRow,
}

impl Inner {
    /// Makes a layer of a tar, compressed or not. With `expected`, a layer that stands is not
    /// made again, and another one is refused.
    pub(crate) fn add_layer(
        &self,
        reader: &mut (dyn Read + Send),
        expected: Option<&Digest>,
    ) -> Result<StoredLayer, ImageError> {
        if let Some(expected) = expected
            && let Some(layer) = self.standing(expected)?
        {
            drain(reader).map_err(ImageError::stream("read layer"))?;
            return Ok(layer);
        }
        let made = self.make(reader, expected)?;
        self.note(made)
    }

    /// A layer that stands with a local blob.
    pub(crate) fn standing(&self, diff_id: &Digest) -> Result<Option<StoredLayer>, ImageError> {
        let hold = self.holds.hold(std::slice::from_ref(diff_id));
        let known = self.read(|c| {
            let Some(size_bytes) = rows::layer_size(c, diff_id)? else { return Ok(None) };
            let blob = rows::blobs(c, diff_id)?.into_iter().find(|blob| blob.is_local);
            Ok(blob.map(|blob| (size_bytes, blob)))
        })?;
        let Some((size_bytes, blob)) = known else { return Ok(None) };
        let size = match self.stores.content.size(&blob.digest) {
            Ok(size) => Some(size),
            Err(content::ContentError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if !self.stores.snapshotter.contains(diff_id)? || size != Some(blob.size_bytes) {
            tracing::warn!(%diff_id, "a layer with a row is not on disk");
            return Ok(None);
        }
        Ok(Some(StoredLayer { diff_id: diff_id.clone(), size_bytes, blob, _hold: hold }))
    }

    fn make(
        &self,
        reader: &mut (dyn Read + Send),
        expected: Option<&Digest>,
    ) -> Result<Made, ImageError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let key = format!("layer-{}-{number}", std::process::id());
        let mut start = Vec::with_capacity(6);
        reader.take(6).read_to_end(&mut start).map_err(ImageError::stream("read layer"))?;
        let compression = Compression::detect(&start);
        let mut source = io::Cursor::new(start).chain(reader);
        let ingest = self.stores.content.ingest(&key)?;
        match compression {
            Compression::None => self.make_plain(&mut source, expected, ingest),
            _ => self.make_compressed(&mut source, expected, ingest, compression),
        }
    }

    /// Keeps the compressed bytes as they come while they are unpacked.
    fn make_compressed(
        &self,
        source: &mut (dyn Read + Send),
        expected: Option<&Digest>,
        mut ingest: Ingest<'_>,
        compression: Compression,
    ) -> Result<Made, ImageError> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let unpacked = {
            let mut tee = Tee::new(source, |bytes: &[u8]| {
                hasher.update(bytes);
                ingest.write_all(bytes)
            });
            self.unpack(&mut tee, expected)
        };
        let unpacked = match unpacked {
            Ok(unpacked) => unpacked,
            Err(error) => {
                abort(ingest);
                return Err(error);
            }
        };
        let (digest, size_bytes) = (hasher.finish(), ingest.offset());
        ingest.commit(&digest, Some(size_bytes))?;
        let media_type = media_type(compression).to_owned();
        let diff_id = unpacked.diff_id.clone();
        let blob = BlobRow { digest, diff_id, media_type, size_bytes, is_local: true };
        Ok(Made { unpacked, blob })
    }

    /// Compresses on another thread while the tar is unpacked on this one.
    fn make_plain(
        &self,
        source: &mut (dyn Read + Send),
        expected: Option<&Digest>,
        ingest: Ingest<'_>,
    ) -> Result<Made, ImageError> {
        let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(BLOCKS_AHEAD);
        let (unpacked, compressed) = thread::scope(|scope| {
            let writer = scope.spawn(move || compress(ingest, &receiver));
            let mut blocks = Blocks { sender, block: Vec::with_capacity(BLOCK) };
            let unpacked = {
                let mut tee = Tee::new(source, |bytes: &[u8]| blocks.add(bytes));
                self.snapshot_unpack(&mut tee, expected)
            };
            blocks.finish();
            let compressed = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (unpacked, compressed)
        });
        let (ingest, result) = compressed;
        // A writer that failed broke the reader's pipe too: its reason comes first.
        let done = result
            .map_err(ImageError::stream("write layer blob"))
            .and_then(|digest| unpacked.map(|unpacked| (unpacked, digest)));
        let (unpacked, digest) = match done {
            Ok(done) => done,
            Err(error) => {
                abort(ingest);
                return Err(error);
            }
        };
        let size_bytes = ingest.offset();
        ingest.commit(&digest, Some(size_bytes))?;
        let diff_id = unpacked.diff_id.clone();
        let media_type = media::OCI_LAYER_GZIP.to_owned();
        let blob = BlobRow { digest, diff_id, media_type, size_bytes, is_local: true };
        Ok(Made { unpacked, blob })
    }

    pub(crate) fn unpack(
        &self,
        compressed: &mut (dyn Read + Send),
        expected: Option<&Digest>,
    ) -> Result<Unpacked, ImageError> {
        let mut tar = snapshot::decompress(compressed).map_err(ImageError::Decompress)?;
        self.snapshot_unpack(&mut tar, expected)
    }

    /// Unpacks, and reads the stream to its end also when the layer stood already.
    fn snapshot_unpack(
        &self,
        tar: &mut (dyn Read + Send),
        expected: Option<&Digest>,
    ) -> Result<Unpacked, ImageError> {
        let unpacked = self.stores.snapshotter.unpack(expected, tar, &self.config.limits)?;
        drain(tar).map_err(ImageError::stream("read layer"))?;
        Ok(unpacked)
    }

    /// Notes a layer and its blob; of two blobs of one layer the first is kept.
    fn note(&self, made: Made) -> Result<StoredLayer, ImageError> {
        let Made { unpacked, blob } = made;
        let Unpacked { diff_id, size_bytes } = unpacked;
        let hold = self.holds.hold(std::slice::from_ref(&diff_id));
        if let Some(standing) = self.standing(&diff_id)? {
            if standing.blob.digest != blob.digest {
                self.stores.content.delete(&blob.digest)?;
            }
            return Ok(standing);
        }
        self.write(|c| {
            rows::insert_layer(c, &diff_id, size_bytes, config::now_ns())?;
            Ok(rows::insert_blob(c, &blob)?)
        })?;
        Ok(StoredLayer { diff_id, size_bytes, blob, _hold: hold })
    }
}

pub(crate) fn abort(ingest: Ingest<'_>) {
    if let Err(error) = ingest.abort() {
        let error = types::error::chain(&error);
        tracing::warn!(error, "cannot remove an unfinished layer blob");
    }
}

/// Hands bytes on in blocks.
struct Blocks {
    sender: mpsc::SyncSender<Vec<u8>>,
    block: Vec<u8>,
}

impl Blocks {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK {
            let full = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
            // The writer stops listening only after its own failure, which is the one to tell.
            return self.sender.send(full).map_err(|_| io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn finish(self) {
        let _writer_failed = self.sender.send(self.block);
    }
}

fn compress<'a>(
    mut ingest: Ingest<'a>,
    blocks: &mpsc::Receiver<Vec<u8>>,
) -> (Ingest<'a>, io::Result<Digest>) {
    let mut run = || -> io::Result<Digest> {
        let hashing = Hashing { inner: &mut ingest, hasher: Hasher::new(Algorithm::Sha256) };
        let mut encoder = GzEncoder::new(hashing, flate2::Compression::new(GZIP_LEVEL));
        for block in blocks {
            encoder.write_all(&block)?;
        }
        Ok(encoder.finish()?.hasher.finish())
    };
    let result = run();
    (ingest, result)
}

struct Hashing<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
