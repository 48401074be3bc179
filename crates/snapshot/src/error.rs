//! What can go wrong with archives and snapshots.

use std::{io, path::PathBuf};

use types::{Classify, Digest, ErrorKind};

use crate::Key;

/// A fault of a layer archive, or a failure while reading or writing one.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The compressed or uncompressed stream could not be read.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// The archive could not be written out.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The stream ends within a header or within an entry's data.
    #[error("archive is truncated after {offset} bytes, in {entry:?}")]
    Truncated {
        /// Where it ends.
        offset: u64,
        /// The entry that is incomplete; empty within a header.
        entry: String,
    },
    /// A header is not one, or contradicts itself.
    #[error("invalid header at byte {offset} of the archive: {reason}")]
    Header {
        /// Where the header starts.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An entry asks for something that is refused.
    #[error("refused archive entry {entry:?}: {reason}")]
    Refused {
        /// Its path as it stands in the archive.
        entry: String,
        /// Why.
        reason: &'static str,
    },
    /// A bound was exceeded.
    #[error("archive exceeds the limit of {limit} {what}, at entry {entry:?}")]
    Limit {
        /// The entry that did.
        entry: String,
        /// What is limited.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A system call failed for an entry.
    #[error("cannot {action} {entry:?}")]
    Entry {
        /// Its path.
        entry: String,
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A failed operation of a snapshotter.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// No such layer.
    #[error("layer {diff_id} not found")]
    LayerNotFound {
        /// What was asked for.
        diff_id: Digest,
    },
    /// No such writable snapshot.
    #[error("snapshot {key} not found")]
    NotFound {
        /// What was asked for.
        key: Key,
    },
    /// The name is taken.
    #[error("snapshot {key} already exists")]
    Exists {
        /// The name.
        key: Key,
    },
    /// More layers than the file system can stack.
    #[error("{count} layers are more than the {limit} that can be stacked")]
    TooManyLayers {
        /// How many were given.
        count: usize,
        /// How many can be.
        limit: usize,
    },
    /// The archive is not the one that was expected.
    #[error("layer has diff id {actual}, not the expected {expected}")]
    DiffIdMismatch {
        /// From the image's config.
        expected: Digest,
        /// Of the bytes.
        actual: Digest,
    },
    /// A layer archive could not be read, applied or written.
    #[error("cannot process a layer archive")]
    Archive(#[source] ArchiveError),
    /// What is recorded beside a snapshot cannot be understood.
    #[error("damaged record {}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
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

impl SnapshotError {
    /// Returns what makes an error of a system call on `path`.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl From<ArchiveError> for SnapshotError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

fn io_kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Unavailable,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::InvalidArgument,
        _ => ErrorKind::Internal,
    }
}

impl Classify for ArchiveError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Truncated { .. }
            | Self::Header { .. }
            | Self::Refused { .. }
            | Self::Limit { .. } => ErrorKind::InvalidArgument,
            Self::Read(source) | Self::Write(source) | Self::Entry { source, .. } => {
                io_kind(source)
            }
        }
    }
}

impl Classify for SnapshotError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::LayerNotFound { .. } | Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Exists { .. } => ErrorKind::Conflict,
            Self::TooManyLayers { .. } => ErrorKind::InvalidArgument,
            Self::DiffIdMismatch { .. } | Self::Damaged { .. } => ErrorKind::DataLoss,
            Self::Archive(error) => error.kind(),
            Self::Io { source, .. } => io_kind(source),
        }
    }
}
