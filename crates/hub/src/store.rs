//! Where accounts are kept: the trait behind which a database stands.

use async_trait::async_trait;
use registry::CatalogError;

use crate::{Account, UserName};

type Result<T> = std::result::Result<T, CatalogError>;

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Owns its namespace.
    User,
    /// May do everything.
    Admin,
}

/// Accounts and refresh tokens.
///
/// # Errors
/// All fail with [`CatalogError`] when the database does.
#[allow(clippy::missing_errors_doc)]
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Adds an account; `false` when the name is taken.
    async fn add(&self, account: &Account, password_hash: &str) -> Result<bool>;
    /// Finds an account.
    async fn find(&self, name: &UserName) -> Result<Option<Account>>;
    /// Finds an account's password hash.
    async fn password_hash(&self, name: &UserName) -> Result<Option<String>>;
    /// Lists all accounts by name.
    async fn list(&self) -> Result<Vec<Account>>;
    /// Removes an account and its refresh tokens; whether it was there.
    async fn remove(&self, name: &UserName) -> Result<bool>;
    /// Changes the password and revokes all refresh tokens; whether the account is there.
    async fn set_password_hash(&self, name: &UserName, hash: &str) -> Result<bool>;

    /// Remembers a refresh token's sum; the oldest beyond `keep` of the same account go.
    async fn add_refresh_token(
        &self,
        name: &UserName,
        hash: &str,
        client_id: &str,
        keep: u32,
    ) -> Result<()>;
    /// Finds whose refresh token it is, noting the use.
    async fn use_refresh_token(&self, hash: &str) -> Result<Option<Account>>;
}
