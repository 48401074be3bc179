//! The schema's history.

use rusqlite::Connection;

use crate::DatabaseError;

/// All migrations, oldest first. The position (from 1) is the schema version; never reorder,
/// never edit one that has shipped.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_image.sql"),
    include_str!("../migrations/0002_container.sql"),
    include_str!("../migrations/0003_volume.sql"),
    include_str!("../migrations/0004_network.sql"),
    include_str!("../migrations/0005_api_socket.sql"),
];

/// Brings the schema to this build's version.
pub(crate) fn apply(connection: &mut Connection) -> Result<(), DatabaseError> {
    let found: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?
        .try_into()
        .unwrap_or(usize::MAX);
    if found > MIGRATIONS.len() {
        return Err(DatabaseError::Newer { found, supported: MIGRATIONS.len() });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", (index + 1) as i64)?;
        transaction.commit()?;
    }
    Ok(())
}
