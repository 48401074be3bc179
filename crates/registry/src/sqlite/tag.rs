//! Rows of tags.

use sqlx::{Sqlite, Transaction};
use types::Digest;

use super::{Database, Result, parse};
use crate::{RepositoryName, Tag, catalog::Page};

/// Points a tag at a manifest of the same repository.
pub(super) async fn point(
    tx: &mut Transaction<'static, Sqlite>,
    key: i64,
    tag: &Tag,
    manifest: &Digest,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO tags (repository_id, name, manifest, updated_at)
         VALUES (?, ?, ?, unixepoch())
         ON CONFLICT (repository_id, name)
         DO UPDATE SET manifest = excluded.manifest, updated_at = excluded.updated_at",
    )
    .bind(key)
    .bind(tag.as_str())
    .bind(manifest.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn delete(db: &Database, name: &RepositoryName, tag: &Tag) -> Result<bool> {
    let mut tx = db.write().await?;
    let done = sqlx::query(
        "DELETE FROM tags WHERE name = ?
         AND repository_id = (SELECT id FROM repositories WHERE name = ?)",
    )
    .bind(tag.as_str())
    .bind(name.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn list(
    db: &Database,
    name: &RepositoryName,
    page: Page<'_>,
) -> Result<Option<Vec<Tag>>> {
    let key: Option<i64> = sqlx::query_scalar("SELECT id FROM repositories WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(db.reader())
        .await?;
    let Some(key) = key else { return Ok(None) };
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?",
    )
    .bind(key)
    .bind(page.after)
    .bind(page.limit)
    .fetch_all(db.reader())
    .await?;
    names.into_iter().map(|name| parse("tag", name)).collect::<Result<_>>().map(Some)
}
