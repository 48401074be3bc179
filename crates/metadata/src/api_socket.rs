//! Table `api_socket`: see `migrations/0005_api_socket.sql` for its columns.

use rusqlite::{Connection, Row, params};

use crate::DatabaseError;

/// One socket and what may be done through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSocketRow {
    /// Primary key.
    pub name: String,
    /// Where it listens.
    pub path: String,
    /// Its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// Permissions by name.
    pub allowed: Vec<String>,
    /// `KEY` and `KEY=VALUE` that containers must have, all of them.
    pub labels: Vec<String>,
    /// Kinds of values that are not shown.
    pub redacted: Vec<String>,
    /// Nanoseconds since the Unix epoch.
    pub created_nanos: i64,
}

/// Adds a socket.
///
/// # Errors
/// [`DatabaseError::Sqlite`], also when the name or the path is taken.
pub fn insert(connection: &Connection, row: &ApiSocketRow) -> Result<(), DatabaseError> {
    let text = |list: &[String]| serde_json::to_string(list).expect("strings are always JSON");
    connection
        .prepare_cached(
            "INSERT INTO api_socket (name, path, gid, mode, allowed, labels, redacted, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            row.name,
            row.path,
            row.gid,
            row.mode,
            text(&row.allowed),
            text(&row.labels),
            text(&row.redacted),
            row.created_nanos
        ])?;
    Ok(())
}

/// All sockets by name.
///
/// # Errors
/// [`DatabaseError::Damaged`] for lists that cannot be read: what a socket may do is never
/// guessed. [`DatabaseError::Sqlite`].
pub fn all(connection: &Connection) -> Result<Vec<ApiSocketRow>, DatabaseError> {
    let mut statement = connection.prepare_cached(
        "SELECT name, path, gid, mode, allowed, labels, redacted, created
         FROM api_socket ORDER BY name",
    )?;
    let mut rows = statement.query([])?;
    let mut sockets = Vec::new();
    while let Some(row) = rows.next()? {
        sockets.push(from_row(row)?);
    }
    Ok(sockets)
}

fn from_row(row: &Row<'_>) -> Result<ApiSocketRow, DatabaseError> {
    let name: String = row.get(0)?;
    let list = |index: usize| -> Result<Vec<String>, DatabaseError> {
        serde_json::from_str(&row.get::<_, String>(index)?).map_err(|source| {
            DatabaseError::Damaged { what: "API socket", key: name.clone(), source }
        })
    };
    Ok(ApiSocketRow {
        path: row.get(1)?,
        gid: row.get(2)?,
        mode: row.get(3)?,
        allowed: list(4)?,
        labels: list(5)?,
        redacted: list(6)?,
        created_nanos: row.get(7)?,
        name,
    })
}

/// Removes a socket; returns whether there was one.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn delete(connection: &Connection, name: &str) -> Result<bool, DatabaseError> {
    let removed =
        connection.prepare_cached("DELETE FROM api_socket WHERE name = ?1")?.execute([name])?;
    Ok(removed == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    fn row() -> ApiSocketRow {
        ApiSocketRow {
            name: "proxy".to_owned(),
            path: "/run/proxy.sock".to_owned(),
            gid: 7,
            mode: 0o660,
            allowed: vec!["events".to_owned()],
            labels: vec!["a=b".to_owned()],
            redacted: vec!["env".to_owned()],
            created_nanos: 5,
        }
    }

    #[test]
    fn sockets_are_kept_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("engine.db")).unwrap();
        database.write(|tx| insert(tx, &row())).unwrap();
        assert!(database.write(|tx| insert(tx, &row())).is_err(), "a name is there once");
        assert_eq!(database.read(all).unwrap(), [row()]);
        assert!(database.write(|tx| delete(tx, "proxy")).unwrap());
        assert!(!database.write(|tx| delete(tx, "proxy")).unwrap());
    }

    #[test]
    fn damaged_rights_are_an_error_and_not_an_empty_list() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("engine.db")).unwrap();
        database
            .write::<_, DatabaseError>(|tx| {
                insert(tx, &row())?;
                tx.execute("UPDATE api_socket SET labels = 'x'", [])?;
                Ok(())
            })
            .unwrap();
        assert!(matches!(database.read(all), Err(DatabaseError::Damaged { .. })));
    }
}
