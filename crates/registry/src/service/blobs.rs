//! Blobs of a repository.

use std::time::{Duration, SystemTime};

use blob_store::{BlobReader, ByteRange};
use types::Digest;

use super::{Registry, seconds};
use crate::{
    RegistryError, RepositoryName,
    catalog::{Deletion, Pin},
};

const DOOMED_WAIT: Duration = Duration::from_secs(10);
const DOOMED_POLL: Duration = Duration::from_millis(20);

impl Registry {
    /// Tells a blob's size. A pusher that hears "I have it" will not send it, so interest in a
    /// blob that no manifest needs yet is renewed.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`].
    pub async fn stat_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<u64, RegistryError> {
        let unknown = || RegistryError::BlobUnknown { digest: digest.clone() };
        let link = self.catalog.blob(name, digest).await?.ok_or_else(unknown)?;
        let stale = seconds(SystemTime::now() - self.limits.grace / 4);
        if !link.is_used
            && link.touched_at <= stale
            && !self.catalog.touch_blob(name, digest).await?
        {
            return Err(unknown());
        }
        Ok(link.size_bytes)
    }

    /// Opens a piece of a blob of the repository.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`], [`RegistryError::Blobs`].
    pub async fn open_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        range: ByteRange,
    ) -> Result<BlobReader, RegistryError> {
        if self.catalog.blob(name, digest).await?.is_none() {
            return Err(RegistryError::BlobUnknown { digest: digest.clone() });
        }
        Ok(self.blobs.open(digest, range).await?)
    }

    /// Removes a blob from the repository; its bytes go when nobody has it.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`], [`RegistryError::BlobInUse`].
    pub async fn delete_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        match self.catalog.unlink_blob(name, digest).await? {
            Deletion::Done => Ok(()),
            Deletion::NotFound => Err(RegistryError::BlobUnknown { digest: digest.clone() }),
            Deletion::InUse => Err(RegistryError::BlobInUse { digest: digest.clone() }),
        }
    }

    /// Links a blob that `from` has, which the caller may pull from; whether it had it.
    ///
    /// # Errors
    /// [`RegistryError::Catalog`].
    pub async fn mount_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<bool, RegistryError> {
        Ok(self.catalog.mount_blob(self.target(name), digest, from).await?)
    }

    /// Lists some repositories that have a blob, for a mount that names no source.
    ///
    /// # Errors
    /// [`RegistryError::Catalog`].
    pub async fn blob_holders(
        &self,
        digest: &Digest,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, RegistryError> {
        Ok(self.catalog.blob_holders(digest, limit).await?)
    }

    /// Announces bytes that are about to be committed, waiting out a deletion under way.
    pub(super) async fn pin(&self, digest: &Digest, size_bytes: u64) -> Result<(), RegistryError> {
        let deadline = tokio::time::Instant::now() + DOOMED_WAIT;
        while self.catalog.pin_blob(digest, size_bytes).await? == Pin::Doomed {
            if tokio::time::Instant::now() > deadline {
                return Err(RegistryError::BlobBeingCollected { digest: digest.clone() });
            }
            tokio::time::sleep(DOOMED_POLL).await;
        }
        Ok(())
    }
}
