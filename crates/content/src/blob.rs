//! Finished blobs.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use types::{Digest, digest::Algorithm};

use crate::{ContentError, Hasher};

/// A finished blob, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// When its last byte was written.
    pub modified: SystemTime,
}

pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// The directory of finished blobs.
#[derive(Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
}

impl Blobs {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn dir(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join(algorithm.as_str())
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.dir(digest.algorithm()).join(digest.hex())
    }

    pub(crate) fn open(&self, digest: &Digest) -> Result<(File, u64), ContentError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ContentError::NotFound { digest: digest.clone() });
            }
            Err(error) => return Err(ContentError::io("open blob", path)(error)),
        };
        let size = file.metadata().map_err(ContentError::io("inspect blob", path))?.len();
        Ok((file, size))
    }

    pub(crate) fn size(&self, digest: &Digest) -> Result<Option<u64>, ContentError> {
        let path = self.path(digest);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ContentError::io("inspect blob", path)(error)),
        }
    }

    pub(crate) fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, ContentError> {
        let (file, size) = self.open(digest)?;
        if size > limit {
            let what = format!("blob {digest}");
            return Err(ContentError::TooLarge { what, limit_bytes: limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.take(size)
            .read_to_end(&mut bytes)
            .map_err(ContentError::io("read blob", self.path(digest)))?;
        check(digest, Hasher::digest(digest.algorithm(), &bytes))?;
        Ok(bytes)
    }

    pub(crate) fn verify(&self, digest: &Digest) -> Result<u64, ContentError> {
        let (mut file, _) = self.open(digest)?;
        let mut hasher = Hasher::new(digest.algorithm());
        let size = hasher
            .update_from(&mut file)
            .map_err(ContentError::io("read blob", self.path(digest)))?;
        check(digest, hasher.finish())?;
        Ok(size)
    }

    pub(crate) fn delete(&self, digest: &Digest) -> Result<(), ContentError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ContentError::NotFound { digest: digest.clone() })
            }
            Err(error) => Err(ContentError::io("delete blob", path)(error)),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<BlobInfo>, ContentError> {
        let mut blobs = Vec::new();
        for algorithm in ALGORITHMS {
            let dir = self.dir(algorithm);
            let entries = fs::read_dir(&dir).map_err(ContentError::io("list blobs of", &dir))?;
            for entry in entries {
                let entry = entry.map_err(ContentError::io("list blobs of", &dir))?;
                blobs.extend(info(algorithm, &entry)?);
            }
        }
        blobs.sort_unstable_by(|a, b| a.digest.cmp(&b.digest));
        Ok(blobs)
    }
}

pub(crate) fn check(expected: &Digest, actual: Digest) -> Result<(), ContentError> {
    if *expected == actual {
        Ok(())
    } else {
        Err(ContentError::DigestMismatch { expected: expected.clone(), actual })
    }
}

/// Describes a directory entry; `None` for what is no blob or was deleted meanwhile.
fn info(algorithm: Algorithm, entry: &fs::DirEntry) -> Result<Option<BlobInfo>, ContentError> {
    let name = entry.file_name();
    let Some(Ok(digest)) =
        name.to_str().map(|hex| format!("{}:{hex}", algorithm.as_str()).parse::<Digest>())
    else {
        return Ok(None);
    };
    let describe = |path: &Path| {
        let metadata = fs::symlink_metadata(path)?;
        Ok((metadata.len(), metadata.modified()?))
    };
    match describe(&entry.path()) {
        Ok((size_bytes, modified)) => Ok(Some(BlobInfo { digest, size_bytes, modified })),
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ContentError::io("inspect blob", entry.path())(error)),
    }
}
