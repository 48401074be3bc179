//! What can go wrong between the engine and a shim.

use std::{io, path::PathBuf};

use shim_protocol::{Failure, FailureKind, frame::FrameError};
use types::{Classify, ErrorKind};

/// Why a shim did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// The program could not be started.
    #[error("start shim {}", binary.display())]
    Spawn {
        /// The executable.
        binary: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file of the shim's directory could not be made, read or removed.
    #[error("shim directory {}", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file of the shim's directory does not say what it should.
    #[error("malformed {file} in shim directory {}", dir.display())]
    Record {
        /// The directory.
        dir: PathBuf,
        /// Its name.
        file: &'static str,
    },
    /// No shim answers in the directory.
    #[error("connect to shim in {}", dir.display())]
    Connect {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A stream pair could not be made.
    #[error("make a stream pair")]
    Stream(#[source] io::Error),
    /// The shim ended, or closed the connection, before it answered.
    #[error("connection to the shim is lost")]
    Lost,
    /// The shim is newer than this engine.
    #[error("shim speaks protocol version {0}, this engine speaks up to {max}", max = shim_protocol::VERSION)]
    Version(u32),
    /// The request cannot be sent.
    #[error("send a request to the shim")]
    Request(#[source] FrameError),
    /// An answer that does not belong to the question.
    #[error("the shim gave an answer of the wrong type")]
    UnexpectedAnswer,
    /// The shim did what it could and failed; the text is complete.
    #[error("{}", .0.message)]
    Failed(Failure),
}

impl ShimError {
    /// The shim's own failure, if that is what this is: it decides the container's exit code.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl Classify for ShimError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(failure) => match failure.kind {
                FailureKind::CommandNotFound
                | FailureKind::CommandNotExecutable
                | FailureKind::Invalid => ErrorKind::InvalidArgument,
                FailureKind::NotFound => ErrorKind::NotFound,
                FailureKind::Conflict => ErrorKind::Conflict,
                FailureKind::Internal => ErrorKind::Internal,
            },
            Self::Record { .. } => ErrorKind::DataLoss,
            Self::Connect { .. } | Self::Lost => ErrorKind::Unavailable,
            Self::Version(_) => ErrorKind::NotImplemented,
            Self::Spawn { .. }
            | Self::Directory { .. }
            | Self::Stream(_)
            | Self::Request(_)
            | Self::UnexpectedAnswer => ErrorKind::Internal,
        }
    }
}
