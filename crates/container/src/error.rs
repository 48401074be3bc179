//! Why a container operation failed.

use std::path::PathBuf;

use image::ImageError;
use metadata::DatabaseError;
use network::NetworkError;
use types::{Classify, ErrorKind};
use volume::VolumeError;

use crate::{account::AccountError, state::IllegalTransition};

/// Texts are those that Docker's clients show.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Nothing has this name, id or prefix.
    #[error("No such container: {0}")]
    NotFound(String),
    /// Several ids begin like this.
    #[error("Multiple IDs found with provided prefix: {0}")]
    AmbiguousPrefix(String),
    /// No such path in a container.
    #[error("Could not find the file {path} in container {container}")]
    NoSuchPath {
        /// As it was asked for.
        path: String,
        /// The id.
        container: String,
    },
    /// What is read-only is not written.
    #[error("{0}")]
    Forbidden(String),
    /// No such exec session.
    #[error("No such exec instance: {0}")]
    ExecNotFound(String),
    /// The name belongs to another container.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You have to remove (or rename) that container to be able to reuse that name."
    )]
    NameTaken {
        /// The name.
        name: String,
        /// The id of its holder.
        holder: String,
    },
    /// The operation needs a running container.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The operation does not go with the container's state.
    #[error("{0}")]
    Conflict(String),
    /// Start of a running container, stop of a stopped one: nothing to do.
    #[error("container is already in the requested state")]
    NotModified,
    /// The request is malformed or impossible.
    #[error("{0}")]
    Invalid(String),
    /// Known and not built yet.
    #[error("{0}")]
    NotBuilt(String),
    /// Init or an exec's process could not be started.
    #[error("{message}")]
    StartFailed {
        /// Complete, in Docker's words.
        message: String,
        /// 126, 127 or 128.
        exit_code: i32,
    },
    /// The supervisor could not be reached or broke the protocol.
    #[error("cannot talk to the container's supervisor: {0}")]
    Shim(String),
    /// A health probe of the engine's found nobody, or nobody who answers.
    #[error("cannot reach {address} in the container")]
    Probe {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A deadline passed.
    #[error("{0}")]
    Deadline(String),
    /// A file operation.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Removal left parts behind.
    #[error("cannot remove container {id}: {}", failures.join("; "))]
    Removal {
        /// Which.
        id: String,
        /// Every step that failed.
        failures: Vec<String>,
    },
    /// The user cannot be resolved.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The image service.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The network of a container that was to start.
    #[error("failed to set up container networking")]
    NotConnected(#[source] NetworkError),
    /// The network service.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The volume service.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The store.
    #[error(transparent)]
    Snapshot(#[from] snapshot::SnapshotError),
    /// An archive that goes in or out.
    #[error(transparent)]
    Archive(#[from] snapshot::ArchiveError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A broken invariant.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    /// A stored document does not parse.
    #[error("cannot encode or decode {what}")]
    Document {
        /// Of what.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl Classify for ContainerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) | Self::ExecNotFound(_) | Self::NoSuchPath { .. } => {
                ErrorKind::NotFound
            }
            Self::AmbiguousPrefix(_) | Self::Invalid(_) | Self::Account(_) => {
                ErrorKind::InvalidArgument
            }
            Self::NameTaken { .. } | Self::NotRunning(_) | Self::Conflict(_) => ErrorKind::Conflict,
            Self::NotModified => ErrorKind::NotModified,
            Self::NotBuilt(_) => ErrorKind::NotImplemented,
            // Docker answers 400 when the command cannot be run, 500 for anything else.
            Self::StartFailed { exit_code: 126 | 127, .. } => ErrorKind::InvalidArgument,
            Self::Deadline(_) => ErrorKind::DeadlineExceeded,
            Self::StartFailed { .. }
            | Self::Probe { .. }
            | Self::Shim(_)
            | Self::File { .. }
            | Self::Removal { .. }
            | Self::Transition(_)
            | Self::Document { .. } => ErrorKind::Internal,
            Self::Image(error) => error.kind(),
            Self::Network(error) | Self::NotConnected(error) => error.kind(),
            Self::Volume(error) => error.kind(),
            Self::Forbidden(_) => ErrorKind::PermissionDenied,
            Self::Snapshot(error) => error.kind(),
            Self::Archive(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }
}
