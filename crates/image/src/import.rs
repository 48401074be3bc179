//! `import`: a root file system becomes an image of one layer.

use oci::image::{ExecutionConfig, Platform};
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;
use types::{Digest, Reference};

use crate::{ImageError, Images, NewImage, changes};

/// What `import` is asked for.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// A name for it.
    pub reference: Option<Reference>,
    /// Dockerfile instructions (`--change`).
    pub changes: Vec<String>,
    /// `-m`; empty means Docker's default text.
    pub message: String,
    /// `--platform`; the host's when there is none.
    pub platform: Option<Platform>,
}

impl Images {
    /// Makes an image of a tar stream (plain, gzip or zstd). Returns its id.
    ///
    /// # Errors
    /// [`ImageError::Change`]; a refused archive; those of the stores.
    pub async fn import(
        &self,
        request: ImportRequest,
        stream: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<Digest, ImageError> {
        let mut reader = SyncIoBridge::new(stream);
        if request.reference.as_ref().is_some_and(|name| name.digest().is_some()) {
            return Err(ImageError::TagWithDigest);
        }
        self.inner
            .blocking(move |inner| {
                let mut execution = ExecutionConfig::default();
                changes::apply(&mut execution, &request.changes).map_err(ImageError::Change)?;
                let layer = inner.add_layer(&mut reader, None)?;
                let comment = match request.message {
                    text if text.is_empty() => "Imported from -".to_owned(),
                    text => text,
                };
                let new = NewImage {
                    parent: None,
                    layer: Some(layer),
                    execution,
                    platform: request.platform.unwrap_or_else(Platform::host),
                    created_by: None,
                    comment: Some(comment),
                    author: None,
                };
                inner.create_from_layer(new, request.reference.as_ref())
            })
            .await
    }
}
