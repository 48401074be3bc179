//! Who may do what: asked here, answered by the program that embeds the registry.

use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, request::Parts};
use registry::RepositoryName;

/// Something to do with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read.
    Pull,
    /// Write, which includes reading.
    Push,
    /// Delete.
    Delete,
}

/// What a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// `/v2/`: nothing but a caller who has said who they are.
    Base,
    /// An action on a repository.
    Repository(RepositoryName, Action),
    /// The list of all repositories.
    Catalog,
}

/// Why a request is turned away.
#[derive(Debug)]
pub enum Refusal {
    /// Say who you are, and how (401).
    Challenge(HeaderValue),
    /// You may not (403).
    Denied,
    /// Too many failures (429).
    TooMany(Duration),
    /// It could not be found out (500 or 503); the guard has logged why.
    Failed,
}

/// Knows callers.
#[async_trait]
pub trait Guard: Send + Sync + 'static {
    /// Finds out who asks. Without credentials the caller is anonymous, which is no refusal.
    ///
    /// # Errors
    /// [`Refusal`] when credentials were given and are wrong.
    async fn identify(&self, head: &Parts) -> Result<Box<dyn Session>, Refusal>;
}

/// One caller for the time of a request.
#[async_trait]
pub trait Session: Send + Sync {
    /// Lets the caller do it, or not.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn check(&self, need: &Need) -> Result<(), Refusal>;
}
