//! Table `container`: see `migrations/0002_container.sql` for its columns.

use rusqlite::{Connection, params};
use types::ContainerId;

use crate::DatabaseError;

/// One row.
#[derive(Debug, Clone)]
pub struct ContainerRow {
    /// Primary key.
    pub id: ContainerId,
    /// Unique, without the leading slash.
    pub name: String,
    /// Nanoseconds since the Unix epoch.
    pub created_nanos: i64,
    /// Image id, or empty.
    pub image: String,
    /// JSON.
    pub record: String,
    /// JSON.
    pub state: String,
}

/// Adds a container.
///
/// # Errors
/// [`DatabaseError::Sqlite`]; a taken name is a constraint violation.
pub fn insert(connection: &Connection, row: &ContainerRow) -> Result<(), DatabaseError> {
    connection
        .prepare_cached(
            "INSERT INTO container (id, name, created, image, record, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            row.id.as_str(),
            row.name,
            row.created_nanos,
            row.image,
            row.record,
            row.state
        ])?;
    Ok(())
}

/// Replaces the name and the desired state.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn update_record(
    connection: &Connection,
    id: &ContainerId,
    name: &str,
    record: &str,
) -> Result<(), DatabaseError> {
    connection
        .prepare_cached("UPDATE container SET name = ?2, record = ?3 WHERE id = ?1")?
        .execute(params![id.as_str(), name, record])?;
    Ok(())
}

/// Replaces the last known actual state.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn update_state(
    connection: &Connection,
    id: &ContainerId,
    state: &str,
) -> Result<(), DatabaseError> {
    connection
        .prepare_cached("UPDATE container SET state = ?2 WHERE id = ?1")?
        .execute(params![id.as_str(), state])?;
    Ok(())
}

/// Removes a container; a row that is not there is no error.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn delete(connection: &Connection, id: &ContainerId) -> Result<(), DatabaseError> {
    connection.prepare_cached("DELETE FROM container WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(())
}

/// All containers, oldest first.
///
/// # Errors
/// [`DatabaseError::Sqlite`], also when an id is damaged.
pub fn all(connection: &Connection) -> Result<Vec<ContainerRow>, DatabaseError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, created, image, record, state FROM container ORDER BY created",
    )?;
    let rows = statement.query_map([], |row| {
        let id: String = row.get(0)?;
        Ok(ContainerRow {
            id: id.parse().map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(
                    0,
                    rusqlite::types::Type::Text,
                    Box::new(error),
                )
            })?,
            name: row.get(1)?,
            created_nanos: row.get(2)?,
            image: row.get(3)?,
            record: row.get(4)?,
            state: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
