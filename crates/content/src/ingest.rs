//! Unfinished blobs: written by one, resumed by key.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use types::{Digest, digest::Algorithm};

use crate::{ContentError, Durability, Hasher, Store, blob};

/// The longest `ref` file that is read back.
const MAX_KEY_BYTES: usize = 4096;

/// An unfinished ingest, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestInfo {
    /// The caller's key.
    pub key: String,
    /// How many bytes there are.
    pub offset: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// The one writer of an ingest.
///
/// Bytes go in through [`Write`]. Dropping it keeps the bytes for a later resume, except after
/// the disk ran full: then the space is given back.
#[derive(Debug)]
pub struct Ingest<'a> {
    store: &'a Store,
    key: String,
    dir: PathBuf,
    file: File,
    hasher: Hasher,
    offset: u64,
    limit_bytes: u64,
    after: AfterDrop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterDrop {
    Keep,
    Remove,
}

/// Returns a key that no other ingest has.
pub(crate) fn unique_key(purpose: &str, digest: &Digest) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{purpose}-{}-{number}-{digest}", process::id())
}

pub(crate) fn open<'a>(store: &'a Store, key: &str) -> Result<Ingest<'a>, ContentError> {
    if key.len() > MAX_KEY_BYTES {
        let what = "ingest key".to_owned();
        return Err(ContentError::TooLarge { what, limit_bytes: MAX_KEY_BYTES as u64 });
    }
    let name = Hasher::digest(Algorithm::Sha256, key.as_bytes());
    let dir = store.ingests.join(name.hex());
    let mut file = lock(&dir, key)?;
    write_key(&dir, key)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let offset =
        hasher.update_from(&mut file).map_err(ContentError::io("read", dir.join("data")))?;
    let limit_bytes = store.options.max_blob_bytes;
    let (key, after) = (key.to_owned(), AfterDrop::Keep);
    Ok(Ingest { store, key, dir, file, hasher, offset, limit_bytes, after })
}

/// Opens and locks the data file, making it if it is missing.
///
/// A former writer may remove the file between our open and our lock; then what we locked has no
/// name any more and we start over.
fn lock(dir: &Path, key: &str) -> Result<File, ContentError> {
    let path = dir.join("data");
    loop {
        fs::create_dir_all(dir).map_err(ContentError::io("make directory", dir))?;
        let mut options = OpenOptions::new();
        let file = match options.read(true).append(true).create(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(ContentError::io("open", path)(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(ContentError::Locked { key: key.to_owned() }),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(ContentError::io("lock", path)(error)),
        }
        let locked = file.metadata().map_err(ContentError::io("inspect", &path))?;
        match fs::symlink_metadata(&path) {
            Ok(named) if named.ino() == locked.ino() && named.dev() == locked.dev() => {
                return Ok(file);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ContentError::io("inspect", path)(error)),
        }
    }
}

/// Notes the caller's key; called with the lock held.
fn write_key(dir: &Path, key: &str) -> Result<(), ContentError> {
    let path = dir.join("ref");
    if fs::read(&path).is_ok_and(|stored| stored == key.as_bytes()) {
        return Ok(());
    }
    fs::write(&path, key).map_err(ContentError::io("write", path))
}

impl Ingest<'_> {
    /// Returns the caller's key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns how many bytes are there: where the next write goes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Refuses writes that would take the ingest past `limit_bytes`.
    ///
    /// The store's own bound stays in force.
    pub fn limit(&mut self, limit_bytes: u64) {
        self.limit_bytes = limit_bytes.min(self.store.options.max_blob_bytes);
    }

    /// Throws away what there is, to start from the first byte (a server without ranges).
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn restart(&mut self) -> Result<(), ContentError> {
        self.file.set_len(0).map_err(ContentError::io("truncate", self.data_path()))?;
        self.hasher = Hasher::new(Algorithm::Sha256);
        self.offset = 0;
        Ok(())
    }

    /// Finishes the blob: checks size and digest, flushes, and gives it its name.
    ///
    /// # Errors
    /// [`ContentError::SizeMismatch`]: when bytes are missing the ingest stays, to be resumed;
    /// when there are too many it is removed. [`ContentError::DigestMismatch`]: it is removed.
    /// [`ContentError::Io`]: it stays.
    pub fn commit(mut self, digest: &Digest, size_bytes: Option<u64>) -> Result<(), ContentError> {
        self.check_size(digest, size_bytes)?;
        let actual = self.digest(digest.algorithm())?;
        if let Err(error) = blob::check(digest, actual) {
            self.after = AfterDrop::Remove;
            return Err(error);
        }
        self.publish(digest)
    }

    /// Removes the ingest and its bytes.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn abort(mut self) -> Result<(), ContentError> {
        self.after = AfterDrop::Keep;
        remove(&self.dir)
    }

    pub(crate) fn data_path(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn check_size(&mut self, digest: &Digest, expected: Option<u64>) -> Result<(), ContentError> {
        let Some(expected_bytes) = expected.filter(|expected| *expected != self.offset) else {
            return Ok(());
        };
        if self.offset > expected_bytes {
            self.after = AfterDrop::Remove;
        }
        let (digest, actual_bytes) = (digest.clone(), self.offset);
        Err(ContentError::SizeMismatch { digest, expected_bytes, actual_bytes })
    }

    fn digest(&self, algorithm: Algorithm) -> Result<Digest, ContentError> {
        if algorithm == Algorithm::Sha256 {
            return Ok(self.hasher.clone().finish());
        }
        let path = self.data_path();
        let mut hasher = Hasher::new(algorithm);
        File::open(&path)
            .and_then(|mut file| hasher.update_from(&mut file))
            .map_err(ContentError::io("read", path))?;
        Ok(hasher.finish())
    }

    fn publish(&mut self, digest: &Digest) -> Result<(), ContentError> {
        let data = self.data_path();
        let read_only = fs::Permissions::from_mode(0o444);
        self.file.set_permissions(read_only).map_err(ContentError::io("protect", &data))?;
        if self.store.options.durability == Durability::PowerFailure {
            self.file.sync_all().map_err(ContentError::io("flush", &data))?;
        }
        // Before the rename: from then on the directory may belong to the next writer.
        remove_file(&self.dir.join("ref"))?;
        let target = self.store.blobs.path(digest);
        // Over an existing blob of the same digest too: it heals one that was damaged.
        fs::rename(&data, &target).map_err(ContentError::io("publish", &target))?;
        self.store.sync_dir(&self.store.blobs.dir(digest.algorithm()))?;
        remove_dir(&self.dir)
    }
}

impl Write for Ingest<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.limit_bytes.saturating_sub(self.offset);
        if bytes.len() as u64 > left {
            let text = format!("ingest would exceed {} bytes", self.limit_bytes);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let count = self.file.write(bytes).inspect_err(|error| {
            if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                self.after = AfterDrop::Remove;
            }
        })?;
        self.hasher.update(&bytes[..count]);
        self.offset += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Ingest<'_> {
    fn drop(&mut self) {
        if self.after == AfterDrop::Remove
            && let Err(error) = remove(&self.dir)
        {
            let error = types::error::chain(&error);
            tracing::warn!(ingest = self.key, error, "cannot remove a spoilt ingest");
        }
    }
}

/// Removes an ingest; called with its lock held.
///
/// The data file goes last: as long as it has its name, nobody else gets the lock.
fn remove(dir: &Path) -> Result<(), ContentError> {
    remove_file(&dir.join("ref"))?;
    remove_file(&dir.join("data"))?;
    remove_dir(dir)
}

fn remove_file(path: &Path) -> Result<(), ContentError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ContentError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes an empty directory; it is not empty when somebody started the next ingest of its key.
fn remove_dir(dir: &Path) -> Result<(), ContentError> {
    match fs::remove_dir(dir) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(ContentError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

pub(crate) fn list(store: &Store) -> Result<Vec<IngestInfo>, ContentError> {
    let mut ingests: Vec<IngestInfo> =
        directories(store)?.iter().filter_map(|dir| info(dir)).collect();
    ingests.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(ingests)
}

pub(crate) fn remove_stale(store: &Store, age: Duration) -> Result<Vec<String>, ContentError> {
    let mut removed = Vec::new();
    let now = SystemTime::now();
    for dir in directories(store)? {
        let modified = fs::symlink_metadata(dir.join("data"))
            .or_else(|_| fs::symlink_metadata(&dir))
            .and_then(|metadata| metadata.modified());
        let is_stale = modified
            .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|past| past > age));
        let key = info(&dir).map_or_else(|| dir.display().to_string(), |info| info.key);
        if is_stale && let Ok(_locked) = lock(&dir, &key) {
            remove(&dir)?;
            removed.push(key);
        }
    }
    Ok(removed)
}

pub(crate) fn remove_unresumable(
    store: &Store,
    is_resumable: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ContentError> {
    let mut removed = Vec::new();
    for dir in directories(store)? {
        // Without its key it was cut off at its very beginning or end.
        let key = info(&dir).map(|info| info.key);
        if key.as_deref().is_some_and(&is_resumable) {
            continue;
        }
        let key = key.unwrap_or_else(|| dir.display().to_string());
        if let Ok(_locked) = lock(&dir, &key) {
            remove(&dir)?;
            removed.push(key);
        }
    }
    Ok(removed)
}

fn directories(store: &Store) -> Result<Vec<PathBuf>, ContentError> {
    let root = &store.ingests;
    fs::read_dir(root)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(ContentError::io("list ingests of", root))
}

/// Describes an ingest; `None` when it vanished or never got its key.
fn info(dir: &Path) -> Option<IngestInfo> {
    let key = fs::read_to_string(dir.join("ref")).ok()?;
    let metadata = fs::symlink_metadata(dir.join("data")).ok()?;
    Some(IngestInfo { key, offset: metadata.len(), modified: metadata.modified().ok()? })
}
