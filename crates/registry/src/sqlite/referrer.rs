//! The index of manifests by their subject.

use sqlx::Row;
use types::Digest;

use super::{Database, Result, manifest};
use crate::{
    RepositoryName,
    catalog::{Page, ReferrerRow},
};

/// What to list.
pub(super) struct Wanted<'a> {
    pub(super) subject: &'a Digest,
    pub(super) artifact_type: Option<&'a str>,
    pub(super) page: Page<'a>,
}

pub(super) async fn list(
    db: &Database,
    name: &RepositoryName,
    wanted: Wanted<'_>,
) -> Result<Vec<ReferrerRow>> {
    let rows = sqlx::query(
        "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations
         FROM repositories r JOIN manifests m ON m.repository_id = r.id
         WHERE r.name = ?1 AND m.subject = ?2 AND m.digest > ?3
         AND (?4 IS NULL OR m.artifact_type = ?4) ORDER BY m.digest LIMIT ?5",
    )
    .bind(name.as_str())
    .bind(wanted.subject.to_string())
    .bind(wanted.page.after)
    .bind(wanted.artifact_type)
    .bind(wanted.page.limit)
    .fetch_all(db.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ReferrerRow {
                manifest: manifest::from_row(row)?,
                artifact_type: row.try_get("artifact_type")?,
                annotations: row.try_get("annotations")?,
            })
        })
        .collect()
}
