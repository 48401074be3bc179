//! What can go wrong between a command and the engine.

use types::{Classify, ErrorKind};

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The engine answered with an error document.
    #[error("Error response from daemon: {message}")]
    Engine {
        /// HTTP status.
        status: u16,
        /// The document's `message`, or the body when it is no document.
        message: String,
    },
    /// Nothing listens at the endpoint.
    #[error("Cannot connect to the Gantry engine at {endpoint}. Is the gantryd daemon running?")]
    Unreachable {
        /// The endpoint as the user wrote it.
        endpoint: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The endpoint exists and may not be opened.
    #[error("permission denied while trying to connect to the Gantry engine socket at {endpoint}")]
    Denied {
        /// The endpoint as the user wrote it.
        endpoint: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The address is not one this client understands.
    #[error("unable to parse docker host `{0}`")]
    Endpoint(String),
    /// `ssh://` with a part that must not reach the ssh command line.
    #[error("invalid SSH URL `{0}`")]
    SshUrl(String),
    /// A TLS file cannot be read or understood.
    #[error("could not read TLS material")]
    TlsFile(#[from] tls::TlsError),
    /// TLS cannot be configured or agreed on.
    #[error("error during TLS setup with {endpoint}: {reason}")]
    Tls {
        /// The endpoint as the user wrote it.
        endpoint: String,
        /// What rustls said.
        reason: String,
    },
    /// The connection broke in the middle of a call.
    #[error("error during connect: {operation}")]
    Transport {
        /// What was being done.
        operation: &'static str,
        /// What broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The engine's answer does not have the form that the API promises.
    #[error("unexpected answer from the engine to {path}: {reason}")]
    Answer {
        /// The request's path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine speaks no version that this client speaks.
    #[error(
        "the engine's newest API version {engine} is older than {minimum}, the oldest this client speaks"
    )]
    TooOld {
        /// The engine's newest.
        engine: String,
        /// Ours.
        minimum: String,
    },
}

impl ClientError {
    pub(crate) fn transport(
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Transport { operation, source: source.into() }
    }

    /// The engine's own words, where it answered.
    #[must_use]
    pub fn engine_message(&self) -> Option<&str> {
        match self {
            Self::Engine { message, .. } => Some(message),
            _ => None,
        }
    }

    /// Whether the engine says that the object is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }
}

impl Classify for ClientError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine { status, .. } => match status {
                304 => ErrorKind::NotModified,
                400 => ErrorKind::InvalidArgument,
                401 => ErrorKind::Unauthenticated,
                403 => ErrorKind::PermissionDenied,
                404 => ErrorKind::NotFound,
                409 => ErrorKind::Conflict,
                501 => ErrorKind::NotImplemented,
                503 => ErrorKind::Unavailable,
                504 => ErrorKind::DeadlineExceeded,
                _ => ErrorKind::Internal,
            },
            Self::Unreachable { .. } | Self::Transport { .. } => ErrorKind::Unavailable,
            Self::Denied { .. } => ErrorKind::PermissionDenied,
            Self::Endpoint(_) | Self::SshUrl(_) | Self::TlsFile(_) | Self::Tls { .. } => {
                ErrorKind::InvalidArgument
            }
            Self::Answer { .. } => ErrorKind::Internal,
            Self::TooOld { .. } => ErrorKind::NotImplemented,
        }
    }
}
