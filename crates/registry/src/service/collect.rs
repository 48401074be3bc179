//! Online garbage collection; `catalog` has the protocol that protects pushes.

use std::time::SystemTime;

use super::{Registry, seconds};
use crate::RegistryError;

const BATCH: u32 = 500;

/// What a round of collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Links that no manifest needed.
    pub links: u64,
    /// Blobs that no repository had.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Uploads that nobody went on with.
    pub uploads: u64,
}

impl Registry {
    /// Removes what has been of no use for longer than the grace period, while everything else
    /// goes on. Blobs of links dropped in this round stay for another grace period.
    ///
    /// # Errors
    /// [`RegistryError::Catalog`], [`RegistryError::Blobs`]; what was done stays done.
    pub async fn collect(&self) -> Result<Collected, RegistryError> {
        let _only_one = self.collecting.lock().await;
        let mut collected = Collected::default();
        let before = seconds(SystemTime::now() - self.limits.grace);
        collected.uploads = self.expire_uploads().await?;
        loop {
            let dropped = self.catalog.drop_unused_links(before, BATCH).await?;
            collected.links += dropped;
            if dropped < u64::from(BATCH) {
                break;
            }
        }
        loop {
            let doomed = self.catalog.doom_blobs(before, BATCH).await?;
            if doomed.is_empty() {
                return Ok(collected);
            }
            for (digest, size_bytes) in doomed {
                self.blobs.delete(&digest).await?;
                self.catalog.bury_blob(&digest).await?;
                collected.blobs += 1;
                collected.bytes += size_bytes;
            }
        }
    }

    async fn expire_uploads(&self) -> Result<u64, RegistryError> {
        let mut expired = 0;
        let now = SystemTime::now();
        for info in self.blobs.uploads().await? {
            let idle = now.duration_since(info.modified).unwrap_or_default();
            if idle < self.limits.upload_expiry {
                continue;
            }
            // Somebody who writes at this moment is not idle; the next round asks again.
            if let Ok(upload) = self.blobs.resume(&info.id).await {
                upload.abort().await?;
                self.catalog.remove_upload(&info.id).await?;
                expired += 1;
            }
        }
        self.forget_lost_uploads().await?;
        Ok(expired)
    }

    /// Rows whose bytes never came or went with a disk.
    async fn forget_lost_uploads(&self) -> Result<(), RegistryError> {
        let before = seconds(SystemTime::now() - self.limits.upload_expiry);
        for id in self.catalog.uploads_begun(before, BATCH).await? {
            if self.blobs.upload(&id).await?.is_none() {
                self.catalog.remove_upload(&id).await?;
            }
        }
        Ok(())
    }
}
