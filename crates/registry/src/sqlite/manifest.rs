//! Rows of manifests, and what they need.

use bytes::Bytes;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use types::Digest;

use super::{Database, Result, parse, repository, signed, tag, unsigned};
use crate::{
    ManifestReference, RepositoryName,
    catalog::{Deletion, ManifestRow, NewManifest, Put, Target},
};

pub(super) fn from_row(row: &SqliteRow) -> Result<ManifestRow> {
    Ok(ManifestRow {
        digest: parse("digest", row.try_get("digest")?)?,
        media_type: row.try_get("media_type")?,
        size_bytes: unsigned(row.try_get("size")?),
    })
}

pub(super) async fn find(
    db: &Database,
    name: &RepositoryName,
    reference: &ManifestReference,
) -> Result<Option<ManifestRow>> {
    let by_tag = "SELECT m.digest, m.media_type, m.size FROM repositories r
         JOIN tags t ON t.repository_id = r.id
         JOIN manifests m ON m.repository_id = r.id AND m.digest = t.manifest
         WHERE r.name = ? AND t.name = ?";
    let by_digest = "SELECT m.digest, m.media_type, m.size FROM repositories r
         JOIN manifests m ON m.repository_id = r.id WHERE r.name = ? AND m.digest = ?";
    let sql = match reference {
        ManifestReference::Tag(_) => by_tag,
        ManifestReference::Digest(_) => by_digest,
    };
    let row = sqlx::query(sql)
        .bind(name.as_str())
        .bind(reference.to_string())
        .fetch_optional(db.reader())
        .await?;
    row.as_ref().map(from_row).transpose()
}

pub(super) async fn content(db: &Database, digest: &Digest) -> Result<Option<Bytes>> {
    let content: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT content FROM manifest_contents WHERE digest = ?")
            .bind(digest.to_string())
            .fetch_optional(db.reader())
            .await?;
    Ok(content.map(Bytes::from))
}

pub(super) async fn put(
    db: &Database,
    target: Target<'_>,
    manifest: NewManifest<'_>,
) -> Result<Put> {
    let mut tx = db.write().await?;
    let key = repository::ensure(&mut tx, target).await?;
    for blob in &manifest.blobs {
        if !has_blob(&mut tx, key, blob).await? {
            return Ok(Put::BlobMissing((*blob).clone()));
        }
    }
    for child in &manifest.children {
        if !has_manifest(&mut tx, key, child).await? {
            return Ok(Put::ChildMissing((*child).clone()));
        }
    }
    if !has_manifest(&mut tx, key, manifest.digest).await? {
        insert(&mut tx, key, &manifest).await?;
        insert_needs(&mut tx, key, &manifest).await?;
    }
    if let Some(name) = manifest.tag {
        tag::point(&mut tx, key, name, manifest.digest).await?;
    }
    tx.commit().await?;
    Ok(Put::Done)
}

async fn has_blob(
    tx: &mut Transaction<'static, Sqlite>,
    key: i64,
    digest: &Digest,
) -> Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM repository_blobs WHERE repository_id = ? AND digest = ?")
            .bind(key)
            .bind(digest.to_string())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(found.is_some())
}

async fn has_manifest(
    tx: &mut Transaction<'static, Sqlite>,
    key: i64,
    digest: &Digest,
) -> Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM manifests WHERE repository_id = ? AND digest = ?")
            .bind(key)
            .bind(digest.to_string())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(found.is_some())
}

async fn insert(
    tx: &mut Transaction<'static, Sqlite>,
    key: i64,
    manifest: &NewManifest<'_>,
) -> Result<()> {
    let digest = manifest.digest.to_string();
    sqlx::query("INSERT OR IGNORE INTO manifest_contents (digest, content) VALUES (?, ?)")
        .bind(&digest)
        .bind(manifest.content)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO manifests (repository_id, digest, media_type, size, subject, artifact_type,
         annotations, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, unixepoch())",
    )
    .bind(key)
    .bind(&digest)
    .bind(manifest.media_type)
    .bind(signed(manifest.content.len() as u64))
    .bind(manifest.subject.map(ToString::to_string))
    .bind(manifest.artifact_type)
    .bind(&manifest.annotations)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert_needs(
    tx: &mut Transaction<'static, Sqlite>,
    key: i64,
    manifest: &NewManifest<'_>,
) -> Result<()> {
    let digest = manifest.digest.to_string();
    let blob_sql = "INSERT INTO manifest_blobs (repository_id, manifest, blob) VALUES (?, ?, ?)";
    let child_sql = "INSERT INTO manifest_children (repository_id, parent, child) VALUES (?, ?, ?)";
    let blobs = manifest.blobs.iter().map(|blob| (blob_sql, blob));
    let children = manifest.children.iter().map(|child| (child_sql, child));
    for (sql, needed) in blobs.chain(children) {
        sqlx::query(sql)
            .bind(key)
            .bind(&digest)
            .bind(needed.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn delete(
    db: &Database,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Deletion> {
    let mut tx = db.write().await?;
    let Some(key) = repository::key(&mut tx, name).await? else { return Ok(Deletion::NotFound) };
    let listed: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM manifest_children WHERE repository_id = ? AND child = ? LIMIT 1",
    )
    .bind(key)
    .bind(digest.to_string())
    .fetch_optional(&mut *tx)
    .await?;
    if listed.is_some() {
        return Ok(Deletion::InUse);
    }
    let done = sqlx::query("DELETE FROM manifests WHERE repository_id = ? AND digest = ?")
        .bind(key)
        .bind(digest.to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(if done.rows_affected() > 0 { Deletion::Done } else { Deletion::NotFound })
}
