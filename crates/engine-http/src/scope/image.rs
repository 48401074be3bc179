//! `/images` through a scope: with a filter, the images of the containers that are seen.

use async_trait::async_trait;
use engine_api::{
    auth::AuthConfig,
    descriptor::{DistributionInspect, Platform},
    image::{
        ImageDeleteItem, ImageHistoryItem, ImageInspect, ImagePruneReport, ImageSearchItem,
        ImageSummary,
    },
};
use types::Reference;

use super::Scoped;
use crate::{
    Answer, ApiError, ByteStream, Filters,
    backend::{
        ImageBackend,
        image::{
            CommitContainer, DeleteImage, ImportImage, InspectImage, ListImages, LoadImages,
            ProgressStream, PullImage, PushImage, SaveImages, SearchImages,
        },
    },
};

/// As the engine says it of an image that is not there.
fn absent(name: &str) -> ApiError {
    let written =
        name.parse::<Reference>().map(|reference| reference.with_default_tag().familiar());
    ApiError::not_found(format!("No such image: {}", written.unwrap_or_else(|_| name.to_owned())))
}

impl Scoped {
    /// The image's id, if a container that is seen uses it.
    async fn seen_image(&self, name: &str) -> Answer<String> {
        if !self.scope.is_narrowed() {
            return Ok(name.to_owned());
        }
        let found = self.inner.image.inspect(name, InspectImage::default()).await;
        let id = found.map_err(|_| absent(name))?.id;
        if self.used().await?.images.contains(&id) { Ok(id) } else { Err(absent(name)) }
    }
}

#[async_trait]
impl ImageBackend for Scoped {
    async fn list(&self, options: ListImages) -> Answer<Vec<ImageSummary>> {
        let mut images = self.inner.image.list(options).await?;
        if self.scope.is_narrowed() {
            let used = self.used().await?.images;
            let users = |id: &String| used.iter().filter(|user| *user == id).count();
            images.retain(|image| used.contains(&image.id));
            for image in images.iter_mut().filter(|image| image.containers >= 0) {
                image.containers = i64::try_from(users(&image.id)).unwrap_or(i64::MAX);
            }
        }
        images.iter_mut().for_each(|image| self.scope.redaction.image_summary(image));
        Ok(images)
    }

    async fn inspect(&self, name: &str, options: InspectImage) -> Answer<ImageInspect> {
        let id = self.seen_image(name).await?;
        let mut image = self.inner.image.inspect(&id, options).await?;
        self.scope.redaction.image(&mut image);
        Ok(image)
    }

    async fn history(
        &self,
        name: &str,
        platform: Option<Platform>,
    ) -> Answer<Vec<ImageHistoryItem>> {
        let id = self.seen_image(name).await?;
        let mut history = self.inner.image.history(&id, platform).await?;
        history.iter_mut().for_each(|item| self.scope.redaction.history(item));
        Ok(history)
    }

    async fn pull(&self, options: PullImage) -> Answer<ProgressStream> {
        self.inner.image.pull(options).await
    }

    async fn import(&self, options: ImportImage) -> Answer<ProgressStream> {
        self.inner.image.import(options).await
    }

    async fn push(&self, options: PushImage) -> Answer<ProgressStream> {
        self.inner.image.push(options).await
    }

    async fn tag(&self, name: &str, reference: Reference) -> Answer<()> {
        self.inner.image.tag(name, reference).await
    }

    async fn delete(&self, name: &str, options: DeleteImage) -> Answer<Vec<ImageDeleteItem>> {
        self.inner.image.delete(name, options).await
    }

    async fn search(&self, options: SearchImages) -> Answer<Vec<ImageSearchItem>> {
        self.inner.image.search(options).await
    }

    async fn save(&self, options: SaveImages) -> Answer<ByteStream> {
        self.inner.image.save(options).await
    }

    async fn load(&self, options: LoadImages, archive: ByteStream) -> Answer<ProgressStream> {
        self.inner.image.load(options, archive).await
    }

    async fn prune(&self, filters: Filters) -> Answer<ImagePruneReport> {
        self.inner.image.prune(filters).await
    }

    async fn commit(&self, options: CommitContainer) -> Answer<String> {
        self.inner.image.commit(options).await
    }

    async fn distribution(
        &self,
        reference: Reference,
        auth: Option<AuthConfig>,
    ) -> Answer<DistributionInspect> {
        self.inner.image.distribution(reference, auth).await
    }
}
