//! Blobs on a disk.
//!
//! ```text
//! ROOT/blobs/sha256/ab/abcd...   a blob, named by its digest, never changed
//! ROOT/ingest/ID                 the bytes of an unfinished upload
//! ```
//! A blob's file appears by rename after its bytes were synced, and the directory is synced
//! before the commit returns. Paths are made of validated digests and ids only.
//!
//! One process writes a root at a time (`gantry-hub` holds a lock on its data directory).

mod reader;
mod upload;

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use types::{Digest, digest::Algorithm};

use crate::{
    BlobInfo, BlobReader, BlobStore, BlobStoreError, ByteRange, Upload, UploadId, UploadInfo,
    sum::RunningSum,
};

/// Past so many idle uploads their hash states are dropped; they are hashed anew at commit.
const MAX_SUSPENDED_SUMS: usize = 4096;

/// A store below one directory.
#[derive(Clone)]
pub struct DiskStore {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    uploads: Mutex<Uploads>,
}

#[derive(Default)]
struct Uploads {
    /// `None`: claimed by a writer. `Some`: idle, with the sum of the bytes so far.
    sums: HashMap<UploadId, Option<RunningSum>>,
}

impl DiskStore {
    /// Opens the store below `root`, making the directory if needed.
    ///
    /// # Errors
    /// [`BlobStoreError::Io`] when it cannot be made.
    pub fn open(root: &Path) -> Result<Self, BlobStoreError> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            make_dir(&root.join("blobs").join(algorithm.as_str()))?;
        }
        make_dir(&root.join("ingest"))?;
        sync_dir(&root.join("blobs"))?;
        sync_dir(root)?;
        let shared = Shared { root: root.to_owned(), uploads: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let algorithm = digest.algorithm().as_str();
        self.root.join("blobs").join(algorithm).join(&hex[..2]).join(hex)
    }

    fn ingest_path(&self, id: &UploadId) -> PathBuf {
        self.root.join("ingest").join(id.as_str())
    }

    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stat(&self, digest: &Digest) -> Result<Option<BlobInfo>, BlobStoreError> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(meta) => Ok(Some(BlobInfo { digest: digest.clone(), size_bytes: meta.len() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobStoreError::io("look up", path, error)),
        }
    }

    fn delete(&self, digest: &Digest) -> Result<bool, BlobStoreError> {
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobStoreError::io("delete", path, error)),
        }
    }

    fn upload_info(&self, id: &UploadId) -> Result<Option<UploadInfo>, BlobStoreError> {
        let path = self.ingest_path(id);
        let info = fs::metadata(&path).and_then(|meta| {
            Ok(UploadInfo { id: id.clone(), offset: meta.len(), modified: meta.modified()? })
        });
        match info {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobStoreError::io("look up", path, error)),
        }
    }

    fn upload_infos(&self) -> Result<Vec<UploadInfo>, BlobStoreError> {
        let mut infos = Vec::new();
        for name in sorted_names(&self.root.join("ingest"))? {
            let Ok(id) = name.parse::<UploadId>() else { continue };
            infos.extend(self.upload_info(&id)?);
        }
        Ok(infos)
    }

    fn list(&self, after: &str, limit: usize) -> Result<Vec<BlobInfo>, BlobStoreError> {
        let mut found = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let top = self.root.join("blobs").join(algorithm);
            for shard in sorted_names(&top)? {
                // A whole shard is skipped by its two characters.
                if *format!("{algorithm}:{shard}~") < *after {
                    continue;
                }
                for hex in sorted_names(&top.join(&shard))? {
                    let name = format!("{algorithm}:{hex}");
                    let Ok(digest) = name.parse::<Digest>() else { continue };
                    if *name > *after {
                        found.extend(self.stat(&digest)?);
                    }
                    if found.len() >= limit {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
    }
}

fn make_dir(path: &Path) -> Result<(), BlobStoreError> {
    fs::create_dir_all(path).map_err(|e| BlobStoreError::io("make directory", path, e))
}

fn sync_dir(path: &Path) -> Result<(), BlobStoreError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| BlobStoreError::io("sync directory", path, e))
}

fn sorted_names(dir: &Path) -> Result<Vec<String>, BlobStoreError> {
    let read = || -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    };
    read().map_err(|e| BlobStoreError::io("list", dir, e))
}

/// Runs file work away from the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobStoreError> + Send + 'static,
) -> Result<T, BlobStoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BlobStoreError::Interrupted))
}

#[async_trait]
impl BlobStore for DiskStore {
    async fn stat(&self, digest: &Digest) -> Result<Option<BlobInfo>, BlobStoreError> {
        let (shared, digest) = (self.shared.clone(), digest.clone());
        blocking(move || shared.stat(&digest)).await
    }

    async fn open(&self, digest: &Digest, range: ByteRange) -> Result<BlobReader, BlobStoreError> {
        let (shared, digest) = (self.shared.clone(), digest.clone());
        blocking(move || reader::open(&shared, &digest, range)).await
    }

    async fn begin(&self, id: &UploadId) -> Result<Box<dyn Upload>, BlobStoreError> {
        let (shared, id) = (self.shared.clone(), id.clone());
        blocking(move || Ok(Box::new(upload::begin(shared, id)?) as Box<dyn Upload>)).await
    }

    async fn resume(&self, id: &UploadId) -> Result<Box<dyn Upload>, BlobStoreError> {
        let (shared, id) = (self.shared.clone(), id.clone());
        blocking(move || Ok(Box::new(upload::resume(shared, id)?) as Box<dyn Upload>)).await
    }

    async fn upload(&self, id: &UploadId) -> Result<Option<UploadInfo>, BlobStoreError> {
        let (shared, id) = (self.shared.clone(), id.clone());
        blocking(move || shared.upload_info(&id)).await
    }

    async fn uploads(&self) -> Result<Vec<UploadInfo>, BlobStoreError> {
        let shared = self.shared.clone();
        blocking(move || shared.upload_infos()).await
    }

    async fn delete(&self, digest: &Digest) -> Result<bool, BlobStoreError> {
        let (shared, digest) = (self.shared.clone(), digest.clone());
        blocking(move || shared.delete(&digest)).await
    }

    async fn list(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<BlobInfo>, BlobStoreError> {
        let shared = self.shared.clone();
        let after = after.map(ToString::to_string).unwrap_or_default();
        blocking(move || shared.list(&after, limit)).await
    }
}
