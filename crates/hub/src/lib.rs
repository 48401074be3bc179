//! The hub's people: accounts, what they may do, and the tokens that say so. No HTTP.
//!
//! Follows the token specifications of the distribution project (token, OAuth2, JWT, scope).
//!
//! # Rules
//! - `NAMESPACE/...` belongs to the account of that name; an administrator may do everything;
//!   everybody, logged in or not, may pull from a public repository; nothing else is allowed.
//!   A repository that does not exist is judged like a private one, so that its absence tells
//!   nothing.
//! - A token carries what was asked for and allowed, nothing more, for five minutes.
//! - Passwords are kept as argon2id hashes, refresh tokens as SHA-256 sums. A login by an unknown
//!   name costs what a login by a known one costs. Failures are counted per account and address.

mod account;
mod error;
mod key;
mod password;
mod permission;
mod scope;
mod service;
mod sqlite;
mod store;
mod throttle;
mod token;

pub use account::{Account, AccountError, UserName};
pub use error::HubError;
pub use key::{KeyError, SigningKey};
pub use permission::Caller;
pub use scope::{Access, Actions, ScopeError, parse_scopes};
pub use service::{Hub, HubSettings, IssuedToken, NewAccount, SearchPage, SignUp};
pub use sqlite::SqliteAccounts;
pub use store::{AccountStore, Role};
pub use token::{Token, TokenError};
pub use types::Secret;
