//! Accounts in the registry's SQLite file.

use async_trait::async_trait;
use registry::{CatalogError, Database};
use sqlx::{Row, sqlite::SqliteRow};

use crate::{Account, AccountStore, Role, UserName};

type Result<T> = std::result::Result<T, CatalogError>;

/// The accounts' SQLite implementation.
#[derive(Debug, Clone)]
pub struct SqliteAccounts {
    database: Database,
}

impl SqliteAccounts {
    /// Brings the accounts' tables up to date.
    ///
    /// # Errors
    /// Those of [`Database::migrate`].
    pub async fn open(database: Database) -> Result<Self> {
        database.migrate(sqlx::migrate!("./migrations")).await?;
        Ok(Self { database })
    }
}

fn from_row(row: &SqliteRow) -> Result<Account> {
    let name: String = row.try_get("name")?;
    let parsed = name.parse();
    let is_admin: bool = row.try_get("is_admin")?;
    Ok(Account {
        name: parsed.map_err(|_| CatalogError::Damaged { what: "user name", value: name })?,
        role: if is_admin { Role::Admin } else { Role::User },
    })
}

#[async_trait]
impl AccountStore for SqliteAccounts {
    async fn add(&self, account: &Account, password_hash: &str) -> Result<bool> {
        let mut tx = self.database.write().await?;
        let done = sqlx::query(
            "INSERT INTO users (name, password_hash, is_admin, created_at)
             VALUES (?, ?, ?, unixepoch()) ON CONFLICT (name) DO NOTHING",
        )
        .bind(account.name.as_str())
        .bind(password_hash)
        .bind(account.role == Role::Admin)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn find(&self, name: &UserName) -> Result<Option<Account>> {
        let row = sqlx::query("SELECT name, is_admin FROM users WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(self.database.reader())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    async fn password_hash(&self, name: &UserName) -> Result<Option<String>> {
        Ok(sqlx::query_scalar("SELECT password_hash FROM users WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(self.database.reader())
            .await?)
    }

    async fn list(&self) -> Result<Vec<Account>> {
        let rows = sqlx::query("SELECT name, is_admin FROM users ORDER BY name")
            .fetch_all(self.database.reader())
            .await?;
        rows.iter().map(from_row).collect()
    }

    async fn remove(&self, name: &UserName) -> Result<bool> {
        let mut tx = self.database.write().await?;
        let done = sqlx::query("DELETE FROM users WHERE name = ?")
            .bind(name.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn set_password_hash(&self, name: &UserName, hash: &str) -> Result<bool> {
        let mut tx = self.database.write().await?;
        let done = sqlx::query("UPDATE users SET password_hash = ? WHERE name = ?")
            .bind(hash)
            .bind(name.as_str())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "DELETE FROM refresh_tokens WHERE user_id = (SELECT id FROM users WHERE name = ?)",
        )
        .bind(name.as_str())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    async fn add_refresh_token(
        &self,
        name: &UserName,
        hash: &str,
        client_id: &str,
        keep: u32,
    ) -> Result<()> {
        let mut tx = self.database.write().await?;
        sqlx::query(
            "INSERT INTO refresh_tokens (hash, user_id, client_id, created_at, last_used_at)
             SELECT ?, id, ?, unixepoch(), unixepoch() FROM users WHERE name = ?",
        )
        .bind(hash)
        .bind(client_id)
        .bind(name.as_str())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "DELETE FROM refresh_tokens WHERE hash IN (
               SELECT hash FROM refresh_tokens
               WHERE user_id = (SELECT id FROM users WHERE name = ?1) AND hash <> ?2
               ORDER BY last_used_at DESC LIMIT -1 OFFSET ?3)",
        )
        .bind(name.as_str())
        .bind(hash)
        .bind(keep.saturating_sub(1))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn use_refresh_token(&self, hash: &str) -> Result<Option<Account>> {
        let row = sqlx::query(
            "SELECT u.name, u.is_admin FROM refresh_tokens t JOIN users u ON u.id = t.user_id
             WHERE t.hash = ?",
        )
        .bind(hash)
        .fetch_optional(self.database.reader())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut tx = self.database.write().await?;
        sqlx::query("UPDATE refresh_tokens SET last_used_at = unixepoch() WHERE hash = ?")
            .bind(hash)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        from_row(&row).map(Some)
    }
}
