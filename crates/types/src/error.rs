//! The closed set of error kinds that every public error maps to.

/// What went wrong, as far as a caller's reaction depends on it.
///
/// Exactly one function per edge maps a kind to a status: `engine-http` to the Engine API's
/// status codes, `registry-http` to OCI error codes, `cli` to exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The named object does not exist (404).
    NotFound,
    /// The request is malformed or asks for something impossible (400).
    InvalidArgument,
    /// The object's state forbids the operation, or a name is taken (409).
    Conflict,
    /// The object already is in the requested state (304).
    NotModified,
    /// No or wrong credentials (401).
    Unauthenticated,
    /// The caller is known and may not (403).
    PermissionDenied,
    /// Known, not built, or not possible on this host (501).
    NotImplemented,
    /// Temporarily impossible: a peer is away, a resource is exhausted (503).
    Unavailable,
    /// A deadline passed (504 or the operation's own answer).
    DeadlineExceeded,
    /// The caller went away or cancelled.
    Cancelled,
    /// Stored data is damaged or bytes do not have the digest they should (500).
    DataLoss,
    /// Anything else: a system call failed, an invariant broke (500).
    Internal,
}

/// An error that knows its kind.
pub trait Classify: std::error::Error {
    /// Returns the kind by which an edge chooses its answer.
    fn kind(&self) -> ErrorKind;
}

/// Renders an error and its sources as one line, outermost first, joined by `": "`.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
