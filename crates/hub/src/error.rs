//! Why the hub did not do what was asked.

use std::time::Duration;

use registry::CatalogError;
use types::{Classify, ErrorKind};

use crate::{AccountError, TokenError, UserName};

/// The hub's failures.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Wrong name or wrong password; it is not said which.
    #[error("incorrect username or password")]
    WrongCredentials,
    /// Too many failures lately.
    #[error("too many failed logins, try again in {} seconds", retry_after.as_secs())]
    TooManyFailures {
        /// When another try is heard.
        retry_after: Duration,
    },
    /// The bearer token is not good.
    #[error("token is not valid")]
    Token(#[from] TokenError),
    /// A name or password that is not accepted.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Somebody has that name.
    #[error("user {name} exists already")]
    NameTaken {
        /// Which.
        name: UserName,
    },
    /// Nobody has that name.
    #[error("user {name} is not known")]
    UserUnknown {
        /// Which.
        name: UserName,
    },
    /// Repositories would be left to whoever takes the name next.
    #[error("user {name} still has repositories")]
    NamespaceInUse {
        /// Whose.
        name: UserName,
    },
    /// Accounts are made by the administrator.
    #[error("sign-up is closed")]
    SignUpClosed,
    /// The token is wanted for somebody else.
    #[error("service {0:?} is not this one")]
    WrongService(String),
    /// A stored password hash is damaged, or hashing failed.
    #[error("password hashing failed")]
    Hashing(#[source] argon2::password_hash::Error),
    /// The system has no random bytes.
    #[error("no random bytes to be had")]
    Random,
    /// The program is stopping.
    #[error("operation was interrupted")]
    Interrupted,
    /// The database failed.
    #[error("account database failed")]
    Catalog(#[from] CatalogError),
}

impl Classify for HubError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::WrongCredentials | Self::Token(_) => ErrorKind::Unauthenticated,
            Self::TooManyFailures { .. } | Self::Interrupted => ErrorKind::Unavailable,
            Self::Account(_) | Self::WrongService(_) => ErrorKind::InvalidArgument,
            Self::NameTaken { .. } | Self::NamespaceInUse { .. } => ErrorKind::Conflict,
            Self::UserUnknown { .. } => ErrorKind::NotFound,
            Self::SignUpClosed => ErrorKind::PermissionDenied,
            Self::Hashing(_) | Self::Random => ErrorKind::Internal,
            Self::Catalog(error) => error.kind(),
        }
    }
}
