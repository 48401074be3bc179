//! The collector's steps; `catalog` has the protocol.

use sqlx::Row;
use types::Digest;

use super::{Database, Result, parse, unsigned};

pub(super) async fn drop_unused_links(db: &Database, before: i64, limit: u32) -> Result<u64> {
    let mut tx = db.write().await?;
    let done = sqlx::query(
        "DELETE FROM repository_blobs WHERE (repository_id, digest) IN
         (SELECT repository_id, digest FROM repository_blobs
          WHERE manifests = 0 AND touched_at < ? LIMIT ?)",
    )
    .bind(before)
    .bind(limit)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

pub(super) async fn doom_blobs(
    db: &Database,
    before: i64,
    limit: u32,
) -> Result<Vec<(Digest, u64)>> {
    let mut tx = db.write().await?;
    sqlx::query(
        "UPDATE blobs SET doomed = 1 WHERE digest IN
         (SELECT digest FROM blobs WHERE links = 0 AND touched_at < ? LIMIT ?)",
    )
    .bind(before)
    .bind(limit)
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query("SELECT digest, size FROM blobs WHERE links = 0 AND doomed = 1")
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    rows.iter()
        .map(|row| Ok((parse("digest", row.try_get("digest")?)?, unsigned(row.try_get("size")?))))
        .collect()
}

pub(super) async fn bury_blob(db: &Database, digest: &Digest) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query("DELETE FROM blobs WHERE digest = ? AND doomed = 1")
        .bind(digest.to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}
