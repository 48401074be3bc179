//! Making [`Failure`]s: the form in which an error crosses to the engine.

use std::error::Error;

use shim_protocol::{Failure, FailureKind};

/// The operation failed; nothing about the request says that it had to.
#[must_use]
pub fn internal(operation: &str, error: &dyn Error) -> Failure {
    let message = format!("{operation}: {}", types::error::chain(error));
    Failure { message, kind: FailureKind::Internal }
}

/// The container's state forbids it.
#[must_use]
pub fn conflict(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), kind: FailureKind::Conflict }
}

/// There is no such thing.
#[must_use]
pub fn not_found(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), kind: FailureKind::NotFound }
}

/// The request asks for something impossible.
#[must_use]
pub fn invalid(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), kind: FailureKind::Invalid }
}
