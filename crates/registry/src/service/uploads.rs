//! Uploads: begun, appended to in order, and turned into a blob of the repository.

use std::time::Duration;

use blob_store::{BlobStoreError, Upload, UploadId};
use bytes::Bytes;
use types::Digest;

use super::Registry;
use crate::{RegistryError, RepositoryName};

const BUSY_WAIT: Duration = Duration::from_secs(3);
const BUSY_POLL: Duration = Duration::from_millis(20);

/// The one writer of an upload of a repository.
pub struct Appender {
    registry: Registry,
    name: RepositoryName,
    id: UploadId,
    upload: Box<dyn Upload>,
}

impl Registry {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`RegistryError::Blobs`], [`RegistryError::Catalog`].
    pub async fn begin_upload(&self, name: &RepositoryName) -> Result<Appender, RegistryError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| RegistryError::Random)?;
        let id = UploadId::from_random(random);
        // The row first: a file without a row is collected like any idle upload.
        self.catalog.add_upload(name, &id).await?;
        let upload = self.blobs.begin(&id).await?;
        Ok(Appender { registry: self.clone(), name: name.clone(), id, upload })
    }

    /// Goes on with an upload. `begins` is where the client believes that it goes on.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`], [`RegistryError::ChunkOutOfOrder`].
    pub async fn resume_upload(
        &self,
        name: &RepositoryName,
        id: &UploadId,
        begins: Option<u64>,
    ) -> Result<Appender, RegistryError> {
        self.check_upload(name, id).await?;
        let upload = self.claim(id).await?;
        let offset = upload.offset();
        match begins {
            Some(begins) if begins != offset => {
                upload.suspend().await?;
                Err(RegistryError::ChunkOutOfOrder { begins, offset })
            }
            _ => {
                Ok(Appender { registry: self.clone(), name: name.clone(), id: id.clone(), upload })
            }
        }
    }

    /// Tells how many bytes an upload has.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`].
    pub async fn upload_offset(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<u64, RegistryError> {
        self.check_upload(name, id).await?;
        let upload = self.blobs.upload(id).await?;
        upload
            .map(|upload| upload.offset)
            .ok_or_else(|| RegistryError::UploadUnknown { id: id.clone() })
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`].
    pub async fn cancel_upload(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<(), RegistryError> {
        self.check_upload(name, id).await?;
        self.claim(id).await?.abort().await?;
        Ok(self.catalog.remove_upload(id).await?)
    }

    /// Waits a moment for a writer whose client is gone but whose last bytes are on their way.
    async fn claim(&self, id: &UploadId) -> Result<Box<dyn Upload>, RegistryError> {
        let deadline = tokio::time::Instant::now() + BUSY_WAIT;
        loop {
            match self.blobs.resume(id).await {
                Err(BlobStoreError::UploadBusy { .. })
                    if tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(BUSY_POLL).await;
                }
                other => return Ok(other?),
            }
        }
    }

    async fn check_upload(
        &self,
        name: &RepositoryName,
        id: &UploadId,
    ) -> Result<(), RegistryError> {
        if self.catalog.has_upload(name, id).await? {
            return Ok(());
        }
        Err(RegistryError::UploadUnknown { id: id.clone() })
    }
}

impl Appender {
    /// The upload's name.
    #[must_use]
    pub fn id(&self) -> &UploadId {
        &self.id
    }

    /// How many bytes it has.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.upload.offset()
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`RegistryError::BlobTooLarge`], [`RegistryError::Blobs`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), RegistryError> {
        let limit = self.registry.limits.max_blob_bytes;
        if self.offset().saturating_add(bytes.len() as u64) > limit {
            return Err(RegistryError::BlobTooLarge { limit });
        }
        Ok(self.upload.write(bytes).await?)
    }

    /// Keeps what has arrived for a later request; returns the offset.
    ///
    /// # Errors
    /// [`RegistryError::Blobs`].
    pub async fn suspend(self) -> Result<u64, RegistryError> {
        Ok(self.upload.suspend().await?)
    }

    /// Gives the upload up.
    ///
    /// # Errors
    /// [`RegistryError::Blobs`], [`RegistryError::Catalog`].
    pub async fn abort(self) -> Result<(), RegistryError> {
        self.upload.abort().await?;
        Ok(self.registry.catalog.remove_upload(&self.id).await?)
    }

    /// Verifies the bytes, makes them a blob and links it to the repository. When this returns,
    /// the blob is durable.
    ///
    /// # Errors
    /// [`RegistryError::DigestMismatch`], after which the upload is gone;
    /// [`RegistryError::BlobBeingCollected`], [`RegistryError::Blobs`].
    pub async fn finish(self, digest: &Digest) -> Result<(), RegistryError> {
        let Self { registry, name, id, upload } = self;
        registry.pin(digest, upload.offset()).await?;
        match upload.commit(digest).await {
            Ok(_) => {}
            Err(error) => {
                let error = RegistryError::from(error);
                if matches!(error, RegistryError::DigestMismatch { .. }) {
                    registry.catalog.remove_upload(&id).await?;
                }
                return Err(error);
            }
        }
        if !registry.catalog.link_blob(registry.target(&name), digest).await? {
            return Err(RegistryError::BlobBeingCollected { digest: digest.clone() });
        }
        Ok(registry.catalog.remove_upload(&id).await?)
    }
}
