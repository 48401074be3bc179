//! The registry's operations over a catalog and a blob store.

mod blobs;
mod collect;
mod manifests;
mod uploads;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use blob_store::BlobStore;

pub use self::{
    collect::Collected,
    manifests::{PutManifest, Referrer, ReferrerQuery, StoredManifest},
    uploads::Appender,
};
use crate::{
    CatalogError, RegistryError, RepositoryName, Tag,
    catalog::{Catalog, Page, Repository, Search, Target, Visibility},
};

/// What one registry allows, and how long it waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest blob in bytes.
    pub max_blob_bytes: u64,
    /// How long what nobody needs is kept.
    pub grace: Duration,
    /// How long an upload may be idle.
    pub upload_expiry: Duration,
    /// Visibility of a repository that a push makes.
    pub new_visibility: Visibility,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_blob_bytes: 64 << 30,
            grace: Duration::from_secs(60 * 60),
            upload_expiry: Duration::from_secs(24 * 60 * 60),
            new_visibility: Visibility::Private,
        }
    }
}

/// A registry; cheap to clone.
#[derive(Clone)]
pub struct Registry {
    catalog: Arc<dyn Catalog>,
    blobs: Arc<dyn BlobStore>,
    limits: Limits,
    /// Held by the one collector.
    collecting: Arc<tokio::sync::Mutex<()>>,
}

impl Registry {
    /// Puts a registry together.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, blobs: Arc<dyn BlobStore>, limits: Limits) -> Self {
        Self { catalog, blobs, limits, collecting: Arc::default() }
    }

    /// Finds a repository.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn repository(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<Repository>, CatalogError> {
        self.catalog.repository(name).await
    }

    /// Lists repositories that hold manifests, by name.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn repositories(&self, page: Page<'_>) -> Result<Vec<Repository>, CatalogError> {
        self.catalog.repositories(page).await
    }

    /// Finds repositories; returns a page and how many there are in all.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn search(&self, search: &Search) -> Result<(Vec<Repository>, u64), CatalogError> {
        self.catalog.search(search).await
    }

    /// Changes who may pull.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn set_visibility(
        &self,
        name: &RepositoryName,
        to: Visibility,
    ) -> Result<(), RegistryError> {
        if self.catalog.set_visibility(name, to).await? {
            return Ok(());
        }
        Err(RegistryError::RepositoryUnknown { name: name.clone() })
    }

    /// Whether any repository lies below `namespace/`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn is_namespace_used(&self, namespace: &str) -> Result<bool, CatalogError> {
        self.catalog.is_namespace_used(namespace).await
    }

    /// Lists a repository's tags in lexical order.
    ///
    /// # Errors
    /// [`RegistryError::RepositoryUnknown`].
    pub async fn tags(
        &self,
        name: &RepositoryName,
        page: Page<'_>,
    ) -> Result<Vec<Tag>, RegistryError> {
        let tags = self.catalog.tags(name, page).await?;
        tags.ok_or_else(|| RegistryError::RepositoryUnknown { name: name.clone() })
    }

    fn target<'a>(&self, name: &'a RepositoryName) -> Target<'a> {
        Target { name, new_visibility: self.limits.new_visibility }
    }
}

/// Seconds since 1970, the catalog's clock.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}
