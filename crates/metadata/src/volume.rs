//! Tables `volume` and `volume_use`: see `migrations/0003_volume.sql` for their columns.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use types::ContainerId;

use crate::DatabaseError;

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    /// Primary key.
    pub name: String,
    /// `local`.
    pub driver: String,
    /// Nanoseconds since the Unix epoch.
    pub created_nanos: i64,
    /// Whether the engine made it for one container.
    pub is_anonymous: bool,
    /// User's labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
}

const COLUMNS: &str = "name, driver, created, anonymous, labels, options";

fn map(text: &str) -> BTreeMap<String, String> {
    // Written by `insert` below only, as an object of strings.
    serde_json::from_str(text).unwrap_or_default()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<VolumeRow> {
    Ok(VolumeRow {
        name: row.get(0)?,
        driver: row.get(1)?,
        created_nanos: row.get(2)?,
        is_anonymous: row.get(3)?,
        labels: map(&row.get::<_, String>(4)?),
        options: map(&row.get::<_, String>(5)?),
    })
}

/// Adds a volume; returns whether it is new.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn insert(connection: &Connection, row: &VolumeRow) -> Result<bool, DatabaseError> {
    let text = |map: &BTreeMap<String, String>| {
        serde_json::to_string(map).expect("a map of strings is always JSON")
    };
    let changed = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO volume (name, driver, created, anonymous, labels, options)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            row.name,
            row.driver,
            row.created_nanos,
            row.is_anonymous,
            text(&row.labels),
            text(&row.options)
        ])?;
    Ok(changed == 1)
}

/// One volume by name.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn get(connection: &Connection, name: &str) -> Result<Option<VolumeRow>, DatabaseError> {
    Ok(connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM volume WHERE name = ?1"))?
        .query_row([name], from_row)
        .optional()?)
}

/// All volumes by name.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn all(connection: &Connection) -> Result<Vec<VolumeRow>, DatabaseError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM volume ORDER BY name"))?;
    let rows = statement.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes a volume that nobody uses.
///
/// # Errors
/// [`DatabaseError::Sqlite`]; a use is a foreign-key violation.
pub fn delete(connection: &Connection, name: &str) -> Result<(), DatabaseError> {
    connection.prepare_cached("DELETE FROM volume WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// Notes that a container uses a volume.
///
/// # Errors
/// [`DatabaseError::Sqlite`], also when there is no such volume.
pub fn add_use(
    connection: &Connection,
    name: &str,
    container: &ContainerId,
) -> Result<(), DatabaseError> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO volume_use (volume, container) VALUES (?1, ?2)")?
        .execute([name, container.as_str()])?;
    Ok(())
}

/// Forgets all uses by a container.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn remove_uses(connection: &Connection, container: &ContainerId) -> Result<(), DatabaseError> {
    connection
        .prepare_cached("DELETE FROM volume_use WHERE container = ?1")?
        .execute([container.as_str()])?;
    Ok(())
}

/// Who uses a volume.
///
/// # Errors
/// [`DatabaseError::Sqlite`].
pub fn users(connection: &Connection, name: &str) -> Result<Vec<String>, DatabaseError> {
    let mut statement = connection
        .prepare_cached("SELECT container FROM volume_use WHERE volume = ?1 ORDER BY container")?;
    let rows = statement.query_map([name], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
