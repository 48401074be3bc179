//! The catalog on SQLite: one file in WAL mode, one writer, a few readers.
//!
//! Other processes (`gantry-hub user`, `gantry-hub repo`) may use the same file meanwhile: writers
//! take `BEGIN IMMEDIATE` and wait for each other at most ten seconds.

mod blob;
mod collect;
mod manifest;
mod referrer;
mod repository;
mod tag;
mod upload;

use std::{path::Path, str::FromStr, time::Duration};

use async_trait::async_trait;
use blob_store::UploadId;
use bytes::Bytes;
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use types::Digest;

use crate::{
    CatalogError, ManifestReference, RepositoryName, Tag,
    catalog::{
        BlobLink, Catalog, Deletion, ManifestRow, NewManifest, Page, Pin, Put, ReferrerRow,
        Repository, Search, Target, Visibility,
    },
};

type Result<T> = std::result::Result<T, CatalogError>;

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 3;

/// The open database file; cheap to clone. The hub keeps its accounts in it too.
#[derive(Debug, Clone)]
pub struct Database {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl Database {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// [`CatalogError::Open`].
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // Bounds each connection's page cache to 1 MiB: idle memory is a budget.
            .pragma("cache_size", "-1024");
        let failed = |source| CatalogError::Open { path: path.to_owned(), source };
        let pool = |size| SqlitePoolOptions::new().max_connections(size).test_before_acquire(false);
        let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        let reading = options.pragma("query_only", "on");
        let reader = pool(READERS).connect_with(reading).await.map_err(failed)?;
        Ok(Self { writer, reader })
    }

    /// The connections to read with.
    #[must_use]
    pub fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// Begins a writing transaction; dropping it rolls back.
    ///
    /// # Errors
    /// [`CatalogError::Sql`].
    pub async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Brings the tables of one crate up to date. The crates' migrations share the file and its
    /// bookkeeping, and are told apart by the hundreds of their numbers.
    ///
    /// # Errors
    /// [`CatalogError::Newer`] for a file of a newer build, [`CatalogError::Migrate`].
    pub async fn migrate(&self, mut migrator: Migrator) -> Result<()> {
        migrator.set_ignore_missing(true);
        let supported = migrator.iter().map(|m| m.version).max().unwrap_or(0);
        migrator.run(&self.writer).await?;
        let series = supported / 100 * 100;
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT max(version) FROM _sqlx_migrations WHERE version >= ? AND version < ? + 100",
        )
        .bind(series)
        .bind(series)
        .fetch_one(&self.reader)
        .await?;
        match found {
            Some(found) if found > supported => Err(CatalogError::Newer { found, supported }),
            _ => Ok(()),
        }
    }

    /// Closes the file, writing the log back.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// The catalog's SQLite implementation.
#[derive(Debug, Clone)]
pub struct SqliteCatalog {
    database: Database,
}

impl SqliteCatalog {
    /// Brings the registry's tables up to date.
    ///
    /// # Errors
    /// Those of [`Database::migrate`].
    pub async fn open(database: Database) -> Result<Self> {
        database.migrate(sqlx::migrate!("./migrations")).await?;
        Ok(Self { database })
    }
}

/// Parses a stored text.
fn parse<T: FromStr>(what: &'static str, text: String) -> Result<T> {
    text.parse().map_err(|_| CatalogError::Damaged { what, value: text })
}

/// Sizes and counts are never negative, and below 2^63.
fn unsigned(value: i64) -> u64 {
    value.try_into().unwrap_or(0)
}

fn signed(value: u64) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn repository(&self, name: &RepositoryName) -> Result<Option<Repository>> {
        repository::find(&self.database, name).await
    }

    async fn repositories(&self, page: Page<'_>) -> Result<Vec<Repository>> {
        repository::list(&self.database, page).await
    }

    async fn search(&self, search: &Search) -> Result<(Vec<Repository>, u64)> {
        repository::search(&self.database, search).await
    }

    async fn set_visibility(&self, name: &RepositoryName, to: Visibility) -> Result<bool> {
        repository::set_visibility(&self.database, name, to).await
    }

    async fn is_namespace_used(&self, namespace: &str) -> Result<bool> {
        repository::is_namespace_used(&self.database, namespace).await
    }

    async fn blob(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<BlobLink>> {
        blob::find(&self.database, name, digest).await
    }

    async fn touch_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<bool> {
        blob::touch(&self.database, name, digest).await
    }

    async fn pin_blob(&self, digest: &Digest, size_bytes: u64) -> Result<Pin> {
        blob::pin(&self.database, digest, size_bytes).await
    }

    async fn link_blob(&self, target: Target<'_>, digest: &Digest) -> Result<bool> {
        blob::link(&self.database, target, digest).await
    }

    async fn mount_blob(
        &self,
        target: Target<'_>,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<bool> {
        blob::mount(&self.database, target, digest, from).await
    }

    async fn unlink_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<Deletion> {
        blob::unlink(&self.database, name, digest).await
    }

    async fn blob_holders(&self, digest: &Digest, limit: u32) -> Result<Vec<RepositoryName>> {
        blob::holders(&self.database, digest, limit).await
    }

    async fn add_upload(&self, name: &RepositoryName, id: &UploadId) -> Result<()> {
        upload::add(&self.database, name, id).await
    }

    async fn has_upload(&self, name: &RepositoryName, id: &UploadId) -> Result<bool> {
        upload::has(&self.database, name, id).await
    }

    async fn uploads_begun(&self, before: i64, limit: u32) -> Result<Vec<UploadId>> {
        upload::begun(&self.database, before, limit).await
    }

    async fn remove_upload(&self, id: &UploadId) -> Result<()> {
        upload::remove(&self.database, id).await
    }

    async fn put_manifest(&self, target: Target<'_>, manifest: NewManifest<'_>) -> Result<Put> {
        manifest::put(&self.database, target, manifest).await
    }

    async fn manifest(
        &self,
        name: &RepositoryName,
        reference: &ManifestReference,
    ) -> Result<Option<ManifestRow>> {
        manifest::find(&self.database, name, reference).await
    }

    async fn manifest_content(&self, digest: &Digest) -> Result<Option<Bytes>> {
        manifest::content(&self.database, digest).await
    }

    async fn delete_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<Deletion> {
        manifest::delete(&self.database, name, digest).await
    }

    async fn delete_tag(&self, name: &RepositoryName, tag: &Tag) -> Result<bool> {
        tag::delete(&self.database, name, tag).await
    }

    async fn tags(&self, name: &RepositoryName, page: Page<'_>) -> Result<Option<Vec<Tag>>> {
        tag::list(&self.database, name, page).await
    }

    async fn referrers(
        &self,
        name: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        page: Page<'_>,
    ) -> Result<Vec<ReferrerRow>> {
        referrer::list(&self.database, name, referrer::Wanted { subject, artifact_type, page })
            .await
    }

    async fn drop_unused_links(&self, before: i64, limit: u32) -> Result<u64> {
        collect::drop_unused_links(&self.database, before, limit).await
    }

    async fn doom_blobs(&self, before: i64, limit: u32) -> Result<Vec<(Digest, u64)>> {
        collect::doom_blobs(&self.database, before, limit).await
    }

    async fn bury_blob(&self, digest: &Digest) -> Result<()> {
        collect::bury_blob(&self.database, digest).await
    }
}
