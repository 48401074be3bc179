//! Why a store did not do what was asked.

use std::{io, path::PathBuf};

use types::{Classify, Digest, ErrorKind};

use crate::UploadId;

/// A failed operation of a store.
#[derive(Debug, thiserror::Error)]
pub enum BlobStoreError {
    /// No such blob.
    #[error("blob {digest} is not in the store")]
    NotFound {
        /// Which.
        digest: Digest,
    },
    /// No such upload: never begun, committed, aborted or expired.
    #[error("upload {id} is not in the store")]
    UploadNotFound {
        /// Which.
        id: UploadId,
    },
    /// Somebody else writes this upload at this moment.
    #[error("upload {id} is being written by another request")]
    UploadBusy {
        /// Which.
        id: UploadId,
    },
    /// The id was used before.
    #[error("upload {id} exists already")]
    UploadExists {
        /// Which.
        id: UploadId,
    },
    /// The bytes do not have the digest that the client claims; the upload is gone.
    #[error("content does not have digest {expected}")]
    DigestMismatch {
        /// What the client said.
        expected: Digest,
    },
    /// The range lies outside the blob.
    #[error("range of {length} bytes from {offset} lies outside the blob of {size} bytes")]
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        length: u64,
        /// The blob's size.
        size: u64,
    },
    /// The disk or the quota is full.
    #[error("cannot {operation} {path}: no space left")]
    NoSpace {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The task that did the work was cut off: the program is stopping.
    #[error("store operation was interrupted")]
    Interrupted,
}

impl BlobStoreError {
    /// Wraps a system error, telling a full disk apart.
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { operation, path, source }
            }
            _ => Self::Io { operation, path, source },
        }
    }
}

impl Classify for BlobStoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::UploadNotFound { .. } => ErrorKind::NotFound,
            Self::UploadBusy { .. } | Self::UploadExists { .. } => ErrorKind::Conflict,
            Self::DigestMismatch { .. } | Self::OutOfRange { .. } => ErrorKind::InvalidArgument,
            Self::NoSpace { .. } | Self::Interrupted => ErrorKind::Unavailable,
            Self::Io { .. } => ErrorKind::Internal,
        }
    }
}
