//! Blobs in memory: for tests and for services that need a store without a disk.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use types::Digest;

use crate::{
    BlobInfo, BlobReader, BlobStore, BlobStoreError, ByteRange, Upload, UploadId, UploadInfo, sum,
};

const PIECE_BYTES: usize = 256 * 1024;

#[derive(Default)]
struct State {
    blobs: BTreeMap<String, (Digest, Bytes)>,
    uploads: HashMap<UploadId, (Vec<u8>, SystemTime)>,
    claimed: HashSet<UploadId>,
}

/// A store that forgets everything with the process.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, state: &mut State, id: &UploadId) -> Result<MemoryUpload, BlobStoreError> {
        if !state.claimed.insert(id.clone()) {
            return Err(BlobStoreError::UploadBusy { id: id.clone() });
        }
        let offset = state.uploads.get(id).map_or(0, |(bytes, _)| bytes.len() as u64);
        Ok(MemoryUpload { store: self.clone(), id: id.clone(), offset })
    }
}

struct MemoryUpload {
    store: MemoryStore,
    id: UploadId,
    offset: u64,
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        self.store.lock().claimed.remove(&self.id);
    }
}

#[async_trait]
impl Upload for MemoryUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobStoreError> {
        let mut state = self.store.lock();
        let Some((content, modified)) = state.uploads.get_mut(&self.id) else {
            return Err(BlobStoreError::UploadNotFound { id: self.id.clone() });
        };
        content.extend_from_slice(&bytes);
        *modified = SystemTime::now();
        self.offset += bytes.len() as u64;
        Ok(())
    }

    async fn suspend(self: Box<Self>) -> Result<u64, BlobStoreError> {
        Ok(self.offset)
    }

    async fn commit(self: Box<Self>, expected: &Digest) -> Result<u64, BlobStoreError> {
        let mut state = self.store.lock();
        let Some((content, _)) = state.uploads.remove(&self.id) else {
            return Err(BlobStoreError::UploadNotFound { id: self.id.clone() });
        };
        let is_right = sum::matches(content.as_slice(), expected)
            .map_err(|source| BlobStoreError::io("hash", "memory", source))?;
        if !is_right {
            return Err(BlobStoreError::DigestMismatch { expected: expected.clone() });
        }
        let size = content.len() as u64;
        state.blobs.insert(expected.to_string(), (expected.clone(), content.into()));
        Ok(size)
    }

    async fn abort(self: Box<Self>) -> Result<(), BlobStoreError> {
        self.store.lock().uploads.remove(&self.id);
        Ok(())
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn stat(&self, digest: &Digest) -> Result<Option<BlobInfo>, BlobStoreError> {
        let state = self.lock();
        let found = state.blobs.get(&digest.to_string());
        Ok(found.map(|(digest, b)| BlobInfo { digest: digest.clone(), size_bytes: b.len() as u64 }))
    }

    async fn open(&self, digest: &Digest, range: ByteRange) -> Result<BlobReader, BlobStoreError> {
        let state = self.lock();
        let Some((_, content)) = state.blobs.get(&digest.to_string()) else {
            return Err(BlobStoreError::NotFound { digest: digest.clone() });
        };
        let ByteRange { offset, length } = range;
        let size = content.len() as u64;
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(BlobStoreError::OutOfRange { offset, length, size });
        }
        // Both fit: they are below the length of something in memory.
        let mut rest = content.slice(offset as usize..(offset + length) as usize);
        let pieces = std::iter::from_fn(move || {
            (!rest.is_empty()).then(|| io::Result::Ok(rest.split_to(rest.len().min(PIECE_BYTES))))
        });
        Ok(Box::pin(stream::iter(pieces)))
    }

    async fn begin(&self, id: &UploadId) -> Result<Box<dyn Upload>, BlobStoreError> {
        let mut state = self.lock();
        if state.uploads.contains_key(id) {
            return Err(BlobStoreError::UploadExists { id: id.clone() });
        }
        state.uploads.insert(id.clone(), (Vec::new(), SystemTime::now()));
        Ok(Box::new(self.claim(&mut state, id)?))
    }

    async fn resume(&self, id: &UploadId) -> Result<Box<dyn Upload>, BlobStoreError> {
        let mut state = self.lock();
        if !state.uploads.contains_key(id) {
            return Err(BlobStoreError::UploadNotFound { id: id.clone() });
        }
        Ok(Box::new(self.claim(&mut state, id)?))
    }

    async fn upload(&self, id: &UploadId) -> Result<Option<UploadInfo>, BlobStoreError> {
        Ok(self.uploads().await?.into_iter().find(|upload| upload.id == *id))
    }

    async fn uploads(&self) -> Result<Vec<UploadInfo>, BlobStoreError> {
        let info = |(id, (bytes, modified)): (&UploadId, &(Vec<u8>, SystemTime))| UploadInfo {
            id: id.clone(),
            offset: bytes.len() as u64,
            modified: *modified,
        };
        Ok(self.lock().uploads.iter().map(info).collect())
    }

    async fn delete(&self, digest: &Digest) -> Result<bool, BlobStoreError> {
        Ok(self.lock().blobs.remove(&digest.to_string()).is_some())
    }

    async fn list(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<BlobInfo>, BlobStoreError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        let state = self.lock();
        let later = state.blobs.range(after.clone()..).filter(|(key, _)| **key != after);
        let info = |(_, (digest, content)): (&String, &(Digest, Bytes))| BlobInfo {
            digest: digest.clone(),
            size_bytes: content.len() as u64,
        };
        Ok(later.take(limit).map(info).collect())
    }
}
