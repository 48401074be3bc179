//! Which repository an unfinished upload belongs to.

use blob_store::UploadId;

use super::{Database, Result, parse};
use crate::RepositoryName;

pub(super) async fn add(db: &Database, name: &RepositoryName, id: &UploadId) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query("INSERT INTO uploads (id, repository, created_at) VALUES (?, ?, unixepoch())")
        .bind(id.as_str())
        .bind(name.as_str())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn has(db: &Database, name: &RepositoryName, id: &UploadId) -> Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM uploads WHERE id = ? AND repository = ?")
            .bind(id.as_str())
            .bind(name.as_str())
            .fetch_optional(db.reader())
            .await?;
    Ok(found.is_some())
}

pub(super) async fn begun(db: &Database, before: i64, limit: u32) -> Result<Vec<UploadId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM uploads WHERE created_at < ? ORDER BY created_at LIMIT ?",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(db.reader())
    .await?;
    ids.into_iter().map(|id| parse("upload id", id)).collect()
}

pub(super) async fn remove(db: &Database, id: &UploadId) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query("DELETE FROM uploads WHERE id = ?").bind(id.as_str()).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
