//! Rows of blobs and of their links to repositories.

use sqlx::{Row, Sqlite, Transaction};
use types::Digest;

use super::{Database, Result, parse, repository, signed, unsigned};
use crate::{
    RepositoryName,
    catalog::{BlobLink, Deletion, Pin, Target},
};

pub(super) async fn find(
    db: &Database,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Option<BlobLink>> {
    let row = sqlx::query(
        "SELECT b.size, l.manifests, l.touched_at FROM repositories r
         JOIN repository_blobs l ON l.repository_id = r.id
         JOIN blobs b ON b.digest = l.digest
         WHERE r.name = ? AND l.digest = ?",
    )
    .bind(name.as_str())
    .bind(digest.to_string())
    .fetch_optional(db.reader())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(BlobLink {
        size_bytes: unsigned(row.try_get("size")?),
        is_used: row.try_get::<i64, _>("manifests")? > 0,
        touched_at: row.try_get("touched_at")?,
    }))
}

pub(super) async fn touch(db: &Database, name: &RepositoryName, digest: &Digest) -> Result<bool> {
    let mut tx = db.write().await?;
    let done = sqlx::query(
        "UPDATE repository_blobs SET touched_at = unixepoch() WHERE digest = ?
         AND repository_id = (SELECT id FROM repositories WHERE name = ?)",
    )
    .bind(digest.to_string())
    .bind(name.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn pin(db: &Database, digest: &Digest, size_bytes: u64) -> Result<Pin> {
    let mut tx = db.write().await?;
    let done = sqlx::query(
        "INSERT INTO blobs (digest, size, touched_at) VALUES (?, ?, unixepoch())
         ON CONFLICT (digest) DO UPDATE SET touched_at = unixepoch() WHERE doomed = 0",
    )
    .bind(digest.to_string())
    .bind(signed(size_bytes))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(if done.rows_affected() > 0 { Pin::Held } else { Pin::Doomed })
}

async fn is_live(tx: &mut Transaction<'static, Sqlite>, digest: &Digest) -> Result<bool> {
    let doomed: Option<i64> = sqlx::query_scalar("SELECT doomed FROM blobs WHERE digest = ?")
        .bind(digest.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(doomed == Some(0))
}

async fn insert_link(
    tx: &mut Transaction<'static, Sqlite>,
    target: Target<'_>,
    digest: &Digest,
) -> Result<()> {
    let key = repository::ensure(tx, target).await?;
    sqlx::query(
        "INSERT INTO repository_blobs (repository_id, digest, touched_at)
         VALUES (?, ?, unixepoch())
         ON CONFLICT (repository_id, digest) DO UPDATE SET touched_at = unixepoch()",
    )
    .bind(key)
    .bind(digest.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn link(db: &Database, target: Target<'_>, digest: &Digest) -> Result<bool> {
    let mut tx = db.write().await?;
    if !is_live(&mut tx, digest).await? {
        return Ok(false);
    }
    insert_link(&mut tx, target, digest).await?;
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn mount(
    db: &Database,
    target: Target<'_>,
    digest: &Digest,
    from: &RepositoryName,
) -> Result<bool> {
    let mut tx = db.write().await?;
    let Some(source) = repository::key(&mut tx, from).await? else { return Ok(false) };
    let found: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM repository_blobs WHERE repository_id = ? AND digest = ?")
            .bind(source)
            .bind(digest.to_string())
            .fetch_optional(&mut *tx)
            .await?;
    if found.is_none() {
        return Ok(false);
    }
    // A linked blob is never doomed.
    insert_link(&mut tx, target, digest).await?;
    tx.commit().await?;
    Ok(true)
}

pub(super) async fn unlink(
    db: &Database,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Deletion> {
    let mut tx = db.write().await?;
    let Some(key) = repository::key(&mut tx, name).await? else { return Ok(Deletion::NotFound) };
    let used: Option<i64> = sqlx::query_scalar(
        "SELECT manifests FROM repository_blobs WHERE repository_id = ? AND digest = ?",
    )
    .bind(key)
    .bind(digest.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    match used {
        None => return Ok(Deletion::NotFound),
        Some(0) => {}
        Some(_) => return Ok(Deletion::InUse),
    }
    sqlx::query("DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ?")
        .bind(key)
        .bind(digest.to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Deletion::Done)
}

pub(super) async fn holders(
    db: &Database,
    digest: &Digest,
    limit: u32,
) -> Result<Vec<RepositoryName>> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT r.name FROM repository_blobs l JOIN repositories r ON r.id = l.repository_id
         WHERE l.digest = ? LIMIT ?",
    )
    .bind(digest.to_string())
    .bind(limit)
    .fetch_all(db.reader())
    .await?;
    names.into_iter().map(|name| parse("repository name", name)).collect()
}
