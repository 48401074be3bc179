//! Opening, reading and writing.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use types::{Classify, ErrorKind};

use crate::migration;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite's own error.
    #[error("database operation failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The file cannot be opened.
    #[error("cannot open database {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file was written by a newer build.
    #[error(
        "database has schema version {found}, this build knows {supported}: use the newer gantryd"
    )]
    Newer {
        /// In the file.
        found: usize,
        /// By this build.
        supported: usize,
    },
    /// A stored document does not parse.
    #[error("stored {what} {key} is damaged")]
    Damaged {
        /// The noun.
        what: &'static str,
        /// Its key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Classify for DatabaseError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged { .. } => ErrorKind::DataLoss,
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _))
                if error.code == rusqlite::ErrorCode::DiskFull =>
            {
                ErrorKind::Unavailable
            }
            _ => ErrorKind::Internal,
        }
    }
}

/// The open database; cheap to clone.
#[derive(Clone)]
pub struct Database {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl Database {
    /// Opens or makes the database at `path` and migrates it to this build's schema.
    ///
    /// # Errors
    /// [`DatabaseError::Open`] when the file cannot be used, [`DatabaseError::Newer`] when it
    /// belongs to a newer build.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let mut writer = connect(path, OpenFlags::default())?;
        migration::apply(&mut writer)?;
        let reader = connect(path, OpenFlags::default())?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)), reader: Arc::new(Mutex::new(reader)) })
    }

    /// Runs `body` in one transaction, committed when it returns `Ok`, rolled back otherwise.
    ///
    /// Statements here take tens of microseconds; callers on an async thread need no
    /// `spawn_blocking`, and must not call this while they hold a lock that `body` waits for.
    ///
    /// # Errors
    /// Those of `body` and of the commit.
    pub fn write<T, E: From<DatabaseError>>(
        &self,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = lock(&self.writer);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(DatabaseError::from)?;
        let value = body(&transaction)?;
        transaction.commit().map_err(DatabaseError::from)?;
        Ok(value)
    }

    /// Runs `body` on the reading connection.
    ///
    /// # Errors
    /// Those of `body`.
    pub fn read<T, E: From<DatabaseError>>(
        &self,
        body: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        body(&lock(&self.reader))
    }
}

/// A panic while the lock was held rolled its transaction back, so the connection is sound.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, DatabaseError> {
    let open = || -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Bounds the page cache of one connection to 1 MiB: the engine's idle memory is a budget.
        connection.pragma_update(None, "cache_size", -1024)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|source| DatabaseError::Open { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reopens_and_refuses_newer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.db");
        drop(Database::open(&path).unwrap());
        let db = Database::open(&path).unwrap();
        db.write::<_, DatabaseError>(|tx| Ok(tx.pragma_update(None, "user_version", 9999)?))
            .unwrap();
        drop(db);
        assert!(matches!(Database::open(&path), Err(DatabaseError::Newer { found: 9999, .. })));
    }

    #[test]
    fn rolls_back_on_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.db");
        let db = Database::open(&path).unwrap();
        let failed: Result<(), DatabaseError> = db.write(|tx| {
            tx.execute_batch("CREATE TABLE probe (x)")?;
            tx.execute_batch("not sql")?;
            Ok(())
        });
        assert!(failed.is_err());
        let count = db
            .read::<i64, DatabaseError>(|c| {
                Ok(c.query_row("SELECT count(*) FROM sqlite_master WHERE name='probe'", [], |r| {
                    r.get(0)
                })?)
            })
            .unwrap();
        assert_eq!(count, 0);
    }
}
