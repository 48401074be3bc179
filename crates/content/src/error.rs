//! What can go wrong in the store.

use std::{io, path::PathBuf};

use types::{Classify, Digest, ErrorKind};

/// A failed operation of the content store.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// No such blob.
    #[error("blob {digest} not found")]
    NotFound {
        /// What was asked for.
        digest: Digest,
    },
    /// Another writer holds the ingest.
    #[error("ingest {key:?} is locked by another writer")]
    Locked {
        /// The caller's key.
        key: String,
    },
    /// The bytes are not those of the digest; the ingest was removed.
    #[error("content has digest {actual}, not the expected {expected}")]
    DigestMismatch {
        /// What the caller expected.
        expected: Digest,
        /// What the bytes have.
        actual: Digest,
    },
    /// Fewer or more bytes than announced.
    #[error("content of {digest} has {actual_bytes} bytes, not the expected {expected_bytes}")]
    SizeMismatch {
        /// The blob that was to be made.
        digest: Digest,
        /// What the caller expected.
        expected_bytes: u64,
        /// What there is.
        actual_bytes: u64,
    },
    /// More bytes than are allowed.
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The key or digest.
        what: String,
        /// The bound.
        limit_bytes: u64,
    },
    /// A system call failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl ContentError {
    /// Returns what makes an error of a system call on `path`.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl Classify for ContentError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Locked { .. } => ErrorKind::Conflict,
            Self::DigestMismatch { .. } | Self::SizeMismatch { .. } => ErrorKind::DataLoss,
            Self::TooLarge { .. } => ErrorKind::InvalidArgument,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Unavailable,
                _ => ErrorKind::Internal,
            },
        }
    }
}
