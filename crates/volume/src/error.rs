//! Why a volume operation failed.

use std::path::PathBuf;

use metadata::DatabaseError;
use types::{Classify, ErrorKind};

/// Texts are those that Docker's clients show.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// No such volume.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// A container uses it.
    #[error("remove {name}: volume is in use - [{}]", users.join(", "))]
    InUse {
        /// The volume.
        name: String,
        /// Container ids.
        users: Vec<String>,
    },
    /// The name exists with another driver or other options.
    #[error("create {name}: conflict: volume name must be unique")]
    Conflict {
        /// The volume.
        name: String,
    },
    /// Only `local` is built.
    #[error(
        "error looking up volume plugin {0}: plugin \"{0}\" not found (gantry has the driver \"local\")"
    )]
    Driver(String),
    /// An option that the local driver does not know.
    #[error("create {name}: invalid option: \"{option}\"")]
    Option {
        /// The volume.
        name: String,
        /// The key.
        option: String,
    },
    /// Mount options of the local driver are not built yet.
    #[error("create {name}: the local driver's mount options (type, o, device) are not built yet")]
    MountOptions {
        /// The volume.
        name: String,
    },
    /// The directory could not be made, read or removed.
    #[error("cannot {action} {path}")]
    Directory {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Classify for VolumeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) | Self::Driver(_) => ErrorKind::NotFound,
            Self::InUse { .. } | Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Option { .. } => ErrorKind::InvalidArgument,
            Self::MountOptions { .. } => ErrorKind::NotImplemented,
            Self::Directory { .. } => ErrorKind::Internal,
            Self::Database(error) => error.kind(),
        }
    }
}
