//! The store: finished blobs and unfinished ingests of one directory.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use types::{Digest, digest::Algorithm};

use crate::{
    BlobInfo, ContentError, Hasher, Ingest, IngestInfo,
    blob::{ALGORITHMS, Blobs},
    ingest,
};

/// What a finished commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power failure: bytes and names are flushed first.
    #[default]
    PowerFailure,
    /// The end of the process only: for caches that can be filled again.
    ProcessExit,
}

/// How a store behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What commits survive.
    pub durability: Durability,
    /// The bound on a blob.
    pub max_blob_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::default(), max_blob_bytes: 256 << 30 }
    }
}

/// A content-addressed store; cheap to share behind an `Arc`, all methods take `&self`.
#[derive(Debug)]
pub struct Store {
    pub(crate) blobs: Blobs,
    pub(crate) ingests: PathBuf,
    pub(crate) options: Options,
}

impl Store {
    /// Opens the store at `root`, making its directories if they are missing.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn open(root: impl AsRef<Path>) -> Result<Self, ContentError> {
        Self::open_with(root, Options::default())
    }

    /// Opens the store with options of the caller's choice.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn open_with(root: impl AsRef<Path>, options: Options) -> Result<Self, ContentError> {
        let root = root.as_ref();
        let store =
            Self { blobs: Blobs::new(root.join("blobs")), ingests: root.join("ingest"), options };
        let mut dirs = vec![root.to_owned(), root.join("blobs"), store.ingests.clone()];
        dirs.extend(ALGORITHMS.map(|algorithm| store.blobs.dir(algorithm)));
        for dir in &dirs {
            fs::create_dir_all(dir).map_err(ContentError::io("make directory", dir))?;
        }
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(root, private).map_err(ContentError::io("protect", root))?;
        dirs.iter().try_for_each(|dir| store.sync_dir(dir))?;
        Ok(store)
    }

    /// Tells whether a blob is here.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn contains(&self, digest: &Digest) -> Result<bool, ContentError> {
        Ok(self.blobs.size(digest)?.is_some())
    }

    /// Returns a blob's length.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::Io`].
    pub fn size(&self, digest: &Digest) -> Result<u64, ContentError> {
        self.blobs.size(digest)?.ok_or_else(|| ContentError::NotFound { digest: digest.clone() })
    }

    /// Opens a blob for reading; deleting it later does not disturb the reader.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::Io`].
    pub fn open_blob(&self, digest: &Digest) -> Result<File, ContentError> {
        Ok(self.blobs.open(digest)?.0)
    }

    /// Reads a small blob whole (a manifest, a config), and checks its digest again.
    ///
    /// # Errors
    /// [`ContentError::NotFound`]; [`ContentError::TooLarge`] when it has more than `limit_bytes`;
    /// [`ContentError::DigestMismatch`] when it was damaged on disk; [`ContentError::Io`].
    pub fn read(&self, digest: &Digest, limit_bytes: u64) -> Result<Vec<u8>, ContentError> {
        self.blobs.read(digest, limit_bytes)
    }

    /// Reads a whole blob to check that it still has its digest, and returns its length.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::DigestMismatch`], [`ContentError::Io`].
    pub fn verify(&self, digest: &Digest) -> Result<u64, ContentError> {
        self.blobs.verify(digest)
    }

    /// Stores a small blob that is in memory, and returns its SHA-256 digest.
    ///
    /// # Errors
    /// As [`Store::ingest`] and [`Ingest::commit`].
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, ContentError> {
        let digest = Hasher::digest(Algorithm::Sha256, bytes);
        if self.blobs.size(&digest)? == Some(bytes.len() as u64) {
            return Ok(digest);
        }
        // A key of its own: two callers with the same bytes do not wait for each other.
        let mut ingest = self.ingest(&ingest::unique_key("put", &digest))?;
        let path = ingest.data_path();
        if let Err(error) = ingest.write_all(bytes) {
            ingest.abort()?;
            return Err(ContentError::io("write", path)(error));
        }
        ingest.commit(&digest, Some(bytes.len() as u64))?;
        Ok(digest)
    }

    /// Starts or resumes the ingest that the caller knows as `key`.
    ///
    /// Look at [`Ingest::offset`] for how much is already there. Dropping the ingest keeps it.
    ///
    /// # Errors
    /// [`ContentError::Locked`] while another writer has it; [`ContentError::Io`].
    pub fn ingest(&self, key: &str) -> Result<Ingest<'_>, ContentError> {
        ingest::open(self, key)
    }

    /// Deletes a blob.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::Io`].
    pub fn delete(&self, digest: &Digest) -> Result<(), ContentError> {
        self.blobs.delete(digest)
    }

    /// Lists all blobs, sorted by digest.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn blobs(&self) -> Result<Vec<BlobInfo>, ContentError> {
        self.blobs.list()
    }

    /// Lists the digests of all blobs, sorted.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn digests(&self) -> Result<Vec<Digest>, ContentError> {
        Ok(self.blobs()?.into_iter().map(|blob| blob.digest).collect())
    }

    /// Lists unfinished ingests, sorted by key.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn ingests(&self) -> Result<Vec<IngestInfo>, ContentError> {
        ingest::list(self)
    }

    /// Removes ingests that nobody writes and that were last written longer ago than `age`.
    ///
    /// Returns the keys that were removed.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn remove_stale_ingests(&self, age: Duration) -> Result<Vec<String>, ContentError> {
        ingest::remove_stale(self, age)
    }

    /// Removes ingests that nobody writes and that nobody will ever go on with, by their keys.
    ///
    /// Returns the keys that were removed.
    ///
    /// # Errors
    /// [`ContentError::Io`].
    pub fn remove_unresumable_ingests(
        &self,
        is_resumable: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, ContentError> {
        ingest::remove_unresumable(self, is_resumable)
    }

    /// Flushes a directory's names, if this store promises that.
    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<(), ContentError> {
        if self.options.durability == Durability::ProcessExit {
            return Ok(());
        }
        File::open(dir)
            .and_then(|open| open.sync_all())
            .map_err(ContentError::io("flush directory", dir))
    }
}
