//! Writing an upload: bytes are gathered, and written and hashed off the async threads while the
//! next ones arrive. At most two buffers are in memory.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    mem,
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinHandle;
use types::Digest;

use super::{MAX_SUSPENDED_SUMS, Shared, blocking, make_dir, sync_dir};
use crate::{
    BlobStoreError, Upload, UploadId,
    sum::{self, RunningSum},
};

const BUFFER_BYTES: usize = 512 * 1024;

/// The right to write an upload. It lives as long as anything that may still write, the task in
/// flight included, so that a dropped request cannot race with the one that resumes it.
struct Claim {
    shared: Arc<Shared>,
    id: UploadId,
    /// Left behind for the next writer when the claim ends in good order.
    sum: Option<RunningSum>,
}

impl Claim {
    fn take(shared: Arc<Shared>, id: UploadId) -> Result<Self, BlobStoreError> {
        let mut uploads = shared.uploads();
        let sum = match uploads.sums.insert(id.clone(), None) {
            Some(None) => return Err(BlobStoreError::UploadBusy { id }),
            Some(sum) => sum,
            None => None,
        };
        drop(uploads);
        Ok(Self { shared, id, sum })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut uploads = self.shared.uploads();
        uploads.sums.remove(&self.id);
        if let Some(sum) = self.sum.take()
            && uploads.sums.len() < MAX_SUSPENDED_SUMS
        {
            uploads.sums.insert(self.id.clone(), Some(sum));
        }
    }
}

struct Ingest {
    file: File,
    path: PathBuf,
    /// `None`: unknown, the file is hashed at commit.
    sum: Option<RunningSum>,
    claim: Claim,
}

impl Ingest {
    fn append(&mut self, bytes: &[u8]) -> Result<(), BlobStoreError> {
        // A failed write may have left a part behind: the sum is no longer that of the file.
        let sum = self.sum.take();
        self.file.write_all(bytes).map_err(|e| BlobStoreError::io("write", &self.path, e))?;
        self.sum = sum.map(|mut sum| {
            sum.update(bytes);
            sum
        });
        Ok(())
    }

    fn is_content(&self, expected: &Digest, size: u64) -> Result<bool, BlobStoreError> {
        match self.sum.as_ref().and_then(|sum| sum.confirms(expected, size)) {
            Some(answer) => Ok(answer),
            None => File::open(&self.path)
                .and_then(|file| sum::matches(file, expected))
                .map_err(|e| BlobStoreError::io("hash", &self.path, e)),
        }
    }

    fn commit(self, expected: &Digest, size: u64) -> Result<u64, BlobStoreError> {
        if !self.is_content(expected, size)? {
            self.remove()?;
            return Err(BlobStoreError::DigestMismatch { expected: expected.clone() });
        }
        self.file.sync_all().map_err(|e| BlobStoreError::io("sync", &self.path, e))?;
        let target = self.claim.shared.blob_path(expected);
        let shard = target.parent().expect("a blob's path has its shard above it");
        if !shard.exists() {
            make_dir(shard)?;
            sync_dir(shard.parent().expect("a shard lies below its algorithm"))?;
        }
        fs::rename(&self.path, &target)
            .map_err(|e| BlobStoreError::io("rename into place", &target, e))?;
        sync_dir(shard)?;
        Ok(size)
    }

    fn remove(self) -> Result<(), BlobStoreError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BlobStoreError::io("delete", &self.path, error))
            }
            _ => Ok(()),
        }
    }

    fn release(mut self) {
        self.claim.sum = self.sum.take();
    }
}

type Writing = JoinHandle<Result<Box<Ingest>, BlobStoreError>>;

enum Writer {
    Idle(Box<Ingest>),
    Writing(Writing),
    /// A write failed, or an await on it was cut off.
    Broken,
}

struct DiskUpload {
    writer: Writer,
    buffer: Vec<u8>,
    offset: u64,
}

pub(super) fn begin(shared: Arc<Shared>, id: UploadId) -> Result<impl Upload, BlobStoreError> {
    let claim = Claim::take(shared.clone(), id.clone())?;
    let path = shared.ingest_path(&id);
    let file = OpenOptions::new().append(true).create_new(true).open(&path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BlobStoreError::UploadExists { id },
        _ => BlobStoreError::io("create", &path, error),
    })?;
    let ingest = Ingest { file, path, sum: Some(RunningSum::default()), claim };
    Ok(DiskUpload { writer: Writer::Idle(Box::new(ingest)), buffer: Vec::new(), offset: 0 })
}

pub(super) fn resume(shared: Arc<Shared>, id: UploadId) -> Result<impl Upload, BlobStoreError> {
    let mut claim = Claim::take(shared.clone(), id.clone())?;
    let path = shared.ingest_path(&id);
    let opened = OpenOptions::new().append(true).open(&path).and_then(|mut file| {
        let offset = file.seek(SeekFrom::End(0))?;
        Ok((file, offset))
    });
    let (file, offset) = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BlobStoreError::UploadNotFound { id },
        _ => BlobStoreError::io("open", &path, error),
    })?;
    let known = claim.sum.take().filter(|sum| sum.seen() == offset);
    let sum = known.or_else(|| (offset == 0).then(RunningSum::default));
    let ingest = Ingest { file, path, sum, claim };
    Ok(DiskUpload { writer: Writer::Idle(Box::new(ingest)), buffer: Vec::new(), offset })
}

impl DiskUpload {
    async fn idle(&mut self) -> Result<Box<Ingest>, BlobStoreError> {
        match mem::replace(&mut self.writer, Writer::Broken) {
            Writer::Idle(ingest) => Ok(ingest),
            Writer::Writing(task) => task.await.unwrap_or(Err(BlobStoreError::Interrupted)),
            Writer::Broken => Err(BlobStoreError::Interrupted),
        }
    }

    async fn hand_over(&mut self) -> Result<(), BlobStoreError> {
        let mut ingest = self.idle().await?;
        let full = mem::take(&mut self.buffer);
        self.writer = Writer::Writing(tokio::task::spawn_blocking(move || {
            ingest.append(&full)?;
            Ok(ingest)
        }));
        Ok(())
    }

    async fn flush(&mut self) -> Result<Box<Ingest>, BlobStoreError> {
        if !self.buffer.is_empty() {
            self.hand_over().await?;
        }
        self.idle().await
    }
}

#[async_trait]
impl Upload for DiskUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobStoreError> {
        if self.buffer.capacity() == 0 {
            // Small blobs get a small buffer; it grows to the full size at most.
            self.buffer.reserve(bytes.len().min(BUFFER_BYTES));
        }
        self.buffer.extend_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        if self.buffer.len() >= BUFFER_BYTES { self.hand_over().await } else { Ok(()) }
    }

    async fn suspend(mut self: Box<Self>) -> Result<u64, BlobStoreError> {
        self.flush().await?.release();
        Ok(self.offset)
    }

    async fn commit(mut self: Box<Self>, expected: &Digest) -> Result<u64, BlobStoreError> {
        let ingest = self.flush().await?;
        let (expected, size) = (expected.clone(), self.offset);
        blocking(move || ingest.commit(&expected, size)).await
    }

    async fn abort(mut self: Box<Self>) -> Result<(), BlobStoreError> {
        self.buffer.clear();
        let ingest = self.idle().await?;
        blocking(move || ingest.remove()).await
    }
}
