//! Why the registry did not do what was asked.

use std::path::PathBuf;

use blob_store::{BlobStoreError, UploadId};
use types::{Classify, Digest, ErrorKind};

use crate::{ManifestReference, RepositoryName, manifest::ManifestError};

/// The catalog's failures.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The database refused.
    #[error("database operation failed")]
    Sql(#[from] sqlx::Error),
    /// The file cannot be used.
    #[error("cannot open database {path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot migrate the database")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A newer build wrote the file.
    #[error("database has migration {found}, this build knows up to {supported}")]
    Newer {
        /// In the file.
        found: i64,
        /// By this build.
        supported: i64,
    },
    /// A stored value does not parse.
    #[error("stored {what} {value:?} is damaged")]
    Damaged {
        /// The noun.
        what: &'static str,
        /// As stored.
        value: String,
    },
}

impl Classify for CatalogError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged { .. } => ErrorKind::DataLoss,
            Self::Sql(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => {
                ErrorKind::Unavailable
            }
            // SQLITE_BUSY and SQLITE_FULL.
            Self::Sql(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("5" | "13")) =>
            {
                ErrorKind::Unavailable
            }
            _ => ErrorKind::Internal,
        }
    }
}

/// The registry's failures.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No such repository.
    #[error("repository {name} is not known")]
    RepositoryUnknown {
        /// Which.
        name: RepositoryName,
    },
    /// The repository does not have the blob.
    #[error("blob {digest} is not known to the repository")]
    BlobUnknown {
        /// Which.
        digest: Digest,
    },
    /// A manifest of the repository needs the blob.
    #[error("blob {digest} is in use by a manifest of the repository")]
    BlobInUse {
        /// Which.
        digest: Digest,
    },
    /// The repository has no such upload.
    #[error("upload {id} is not known to the repository")]
    UploadUnknown {
        /// Which.
        id: UploadId,
    },
    /// A chunk does not begin where the upload ends.
    #[error("chunk begins at {begins}, the upload ends at {offset}")]
    ChunkOutOfOrder {
        /// What the client said.
        begins: u64,
        /// Where it should go on.
        offset: u64,
    },
    /// The upload grows past the limit.
    #[error("blob is larger than {limit} bytes")]
    BlobTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The repository has no such manifest.
    #[error("manifest {reference} is not known to the repository")]
    ManifestUnknown {
        /// Which.
        reference: ManifestReference,
    },
    /// An index of the repository lists the manifest.
    #[error("manifest {digest} is listed by an index of the repository")]
    ManifestInUse {
        /// Which.
        digest: Digest,
    },
    /// A manifest names a blob that the repository does not have.
    #[error("manifest references blob {digest}, which is not known to the repository")]
    ManifestBlobUnknown {
        /// Which.
        digest: Digest,
    },
    /// An index names a manifest that the repository does not have.
    #[error("index references manifest {digest}, which is not known to the repository")]
    ManifestChildUnknown {
        /// Which.
        digest: Digest,
    },
    /// The bytes do not have the digest in the request.
    #[error("content does not have digest {expected}")]
    DigestMismatch {
        /// What the client said.
        expected: Digest,
    },
    /// Not a manifest.
    #[error("manifest is invalid")]
    ManifestInvalid(#[from] ManifestError),
    /// The blob is being deleted just now; the same push works in a moment.
    #[error("blob {digest} is being collected, try again")]
    BlobBeingCollected {
        /// Which.
        digest: Digest,
    },
    /// The system has no random bytes.
    #[error("no random bytes to be had")]
    Random,
    /// The blob store failed.
    #[error("blob store failed")]
    Blobs(#[source] BlobStoreError),
    /// The catalog failed.
    #[error("catalog failed")]
    Catalog(#[from] CatalogError),
}

impl From<BlobStoreError> for RegistryError {
    fn from(error: BlobStoreError) -> Self {
        match error {
            BlobStoreError::NotFound { digest } => Self::BlobUnknown { digest },
            BlobStoreError::UploadNotFound { id } => Self::UploadUnknown { id },
            BlobStoreError::DigestMismatch { expected } => Self::DigestMismatch { expected },
            other => Self::Blobs(other),
        }
    }
}

impl Classify for RegistryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::RepositoryUnknown { .. }
            | Self::BlobUnknown { .. }
            | Self::UploadUnknown { .. }
            | Self::ManifestUnknown { .. } => ErrorKind::NotFound,
            Self::BlobInUse { .. } | Self::ManifestInUse { .. } => ErrorKind::Conflict,
            Self::ChunkOutOfOrder { .. }
            | Self::BlobTooLarge { .. }
            | Self::ManifestBlobUnknown { .. }
            | Self::ManifestChildUnknown { .. }
            | Self::DigestMismatch { .. }
            | Self::ManifestInvalid(_) => ErrorKind::InvalidArgument,
            Self::BlobBeingCollected { .. } => ErrorKind::Unavailable,
            Self::Random => ErrorKind::Internal,
            Self::Blobs(error) => error.kind(),
            Self::Catalog(error) => error.kind(),
        }
    }
}
