//! What an image operation can end in, in Docker's words where Docker has some.

use std::io;

use types::{Classify, Digest, ErrorKind, ReferenceError};

/// Why an image cannot be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictReason {
    /// Other images were made from it.
    DependentChildren,
    /// A container runs on it.
    RunningContainer(String),
    /// A container that does not run is made of it.
    StoppedContainer(String),
    /// It has names in more than one repository.
    ManyRepositories,
}

impl std::fmt::Display for ConflictReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DependentChildren => f.write_str("image has dependent child images"),
            Self::RunningContainer(id) => {
                write!(f, "image is being used by running container {id}")
            }
            Self::StoppedContainer(id) => {
                write!(f, "image is being used by stopped container {id}")
            }
            Self::ManyRepositories => f.write_str("image is referenced in multiple repositories"),
        }
    }
}

impl ConflictReason {
    /// Whether force does not help.
    #[must_use]
    pub fn is_hard(&self) -> bool {
        matches!(self, Self::DependentChildren | Self::RunningContainer(_))
    }

    fn force(&self) -> &'static str {
        if self.is_hard() { "cannot be forced" } else { "must be forced" }
    }

    fn is_use(&self) -> bool {
        matches!(self, Self::RunningContainer(_) | Self::StoppedContainer(_))
    }
}

/// Why an image operation failed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A layer's blob was damaged on disk; it is forgotten.
    #[error(
        "layer blob {digest} was damaged on disk and has been dropped: pull or make the image again"
    )]
    Damaged {
        /// The blob.
        digest: Digest,
    },
    /// No image of that name or id.
    #[error("No such image: {name}")]
    NotFound {
        /// As people write it.
        name: String,
    },
    /// A short id that more than one image has.
    #[error("multiple IDs found with provided prefix: {prefix}")]
    Ambiguous {
        /// What was given.
        prefix: String,
    },
    /// A name that is none.
    #[error("{0}")]
    Reference(ReferenceError),
    /// A tag was asked for a reference with a digest.
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
    /// The last name of an image in use.
    #[error(
        "conflict: unable to remove repository reference \"{reference}\" (must force) - container {container} is using its referenced image {image}"
    )]
    ReferenceInUse {
        /// As it was given.
        reference: String,
        /// Short id.
        container: String,
        /// Short id.
        image: String,
    },
    /// The image must stay.
    #[error("conflict: unable to delete {image} ({}) - {reason}", reason.force())]
    Conflict {
        /// Short id.
        image: String,
        /// Why.
        reason: ConflictReason,
    },
    /// A push of a name that is not here.
    #[error("An image does not exist locally with the tag: {name}")]
    NothingToPush {
        /// Familiar name.
        name: String,
    },
    /// A tag of a repository without a registry-acceptable form.
    #[error("cannot push a digest reference")]
    PushDigest,
    /// A configuration that does not parse.
    #[error("image configuration {id} is not valid")]
    Config {
        /// Its digest.
        id: Digest,
        /// Why.
        source: serde_json::Error,
    },
    /// A manifest that does not parse.
    #[error("image manifest {digest} is not valid")]
    Manifest {
        /// Its digest.
        digest: Digest,
        /// Why.
        source: serde_json::Error,
    },
    /// A manifest and its configuration disagree.
    #[error("image {id} has {layers} layers, its configuration names {diff_ids}")]
    LayerCount {
        /// The configuration's digest.
        id: Digest,
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// An artifact that is no image.
    #[error("{reference} is not a container image: its configuration has media type {media_type}")]
    NotAnImage {
        /// Familiar reference.
        reference: String,
        /// What it has instead.
        media_type: String,
    },
    /// The image is for another platform than asked.
    #[error(
        "image with reference {reference} was found but its platform ({actual}) does not match the specified platform ({wanted})"
    )]
    Platform {
        /// Familiar reference.
        reference: String,
        /// Asked for.
        wanted: String,
        /// Found.
        actual: String,
    },
    /// A `--change` that is none.
    #[error("{0}")]
    Change(crate::ChangeError),
    /// A filter that is none.
    #[error("{0}")]
    Filter(crate::FilterError),
    /// An archive of images that cannot be loaded.
    #[error("cannot load archive: {reason}")]
    Archive {
        /// What is wrong with it.
        reason: String,
    },
    /// A document within an archive does not parse.
    #[error("cannot load archive: {member} is not valid")]
    ArchiveDocument {
        /// Its path.
        member: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A blob has another digest than its manifest says.
    #[error("filesystem layer verification failed for digest {expected}, got {actual}")]
    LayerVerification {
        /// In the manifest.
        expected: Digest,
        /// Of the bytes.
        actual: Digest,
    },
    /// The stream of a request or answer broke.
    #[error("cannot {action}")]
    Stream {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A layer cannot be decompressed.
    #[error("cannot read layer")]
    Decompress(#[source] snapshot::DecompressError),
    /// The content store failed.
    #[error("content store failed")]
    Content(#[from] content::ContentError),
    /// The snapshotter failed.
    #[error("failed to register layer")]
    Snapshot(#[from] snapshot::SnapshotError),
    /// The database failed.
    #[error("image database failed")]
    Database(#[from] metadata::DatabaseError),
    /// The registry failed; its own text is the one to show.
    #[error(transparent)]
    Distribution(#[from] distribution::DistributionError),
    /// Somebody else's attempt at the same layer failed.
    #[error("{0}")]
    Shared(String),
    /// A task of this service ended in a panic.
    #[error("a background task failed")]
    Task(#[source] tokio::task::JoinError),
}

impl From<metadata::rusqlite::Error> for ImageError {
    fn from(error: metadata::rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<tokio::task::JoinError> for ImageError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Task(error)
    }
}

impl ImageError {
    pub(crate) fn stream(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Stream { action, source }
    }

    /// Whether it is a conflict with a container.
    pub(crate) fn is_use_conflict(&self) -> bool {
        matches!(self, Self::Conflict { reason, .. } if reason.is_use())
    }
}

impl Classify for ImageError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::NothingToPush { .. } => ErrorKind::NotFound,
            Self::Ambiguous { .. }
            | Self::Reference(_)
            | Self::TagWithDigest
            | Self::PushDigest
            | Self::Change(_)
            | Self::Filter(_)
            | Self::Archive { .. }
            | Self::ArchiveDocument { .. }
            | Self::NotAnImage { .. } => ErrorKind::InvalidArgument,
            Self::ReferenceInUse { .. } | Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Platform { .. } => ErrorKind::NotFound,
            Self::Config { .. }
            | Self::Manifest { .. }
            | Self::LayerCount { .. }
            | Self::Damaged { .. }
            | Self::LayerVerification { .. } => ErrorKind::DataLoss,
            // Whichever of a layer's two writers meets the full disk first.
            Self::Stream { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                ErrorKind::Unavailable
            }
            Self::Stream { .. } | Self::Shared(_) | Self::Task(_) => ErrorKind::Internal,
            Self::Decompress(error) => error.kind(),
            Self::Content(error) => error.kind(),
            Self::Snapshot(error) => error.kind(),
            Self::Database(error) => error.kind(),
            Self::Distribution(error) => error.kind(),
        }
    }
}
