//! `/volumes` through a scope: with a filter, the volumes of the containers that are seen.

use async_trait::async_trait;
use engine_api::volume::{Volume, VolumeCreateRequest, VolumeList, VolumePruneReport};

use super::Scoped;
use crate::{
    Answer, ApiError, Filters,
    backend::{VolumeBackend, volume::Force},
};

#[async_trait]
impl VolumeBackend for Scoped {
    async fn list(&self, filters: Filters) -> Answer<VolumeList> {
        let mut list = self.inner.volume.list(filters).await?;
        if self.scope.is_narrowed() {
            let used = self.used().await?.volumes;
            list.volumes.retain(|volume| used.contains(&volume.name));
            list.warnings = None;
        }
        list.volumes.iter_mut().for_each(|volume| self.scope.redaction.volume(volume));
        Ok(list)
    }

    async fn create(&self, request: VolumeCreateRequest) -> Answer<Volume> {
        self.inner.volume.create(request).await
    }

    async fn inspect(&self, name: &str) -> Answer<Volume> {
        if self.scope.is_narrowed() && !self.used().await?.volumes.contains(name) {
            return Err(ApiError::not_found(format!("get {name}: no such volume")));
        }
        let mut volume = self.inner.volume.inspect(name).await?;
        self.scope.redaction.volume(&mut volume);
        Ok(volume)
    }

    async fn remove(&self, name: &str, force: Force) -> Answer<()> {
        self.inner.volume.remove(name, force).await
    }

    async fn prune(&self, filters: Filters) -> Answer<VolumePruneReport> {
        self.inner.volume.prune(filters).await
    }
}
