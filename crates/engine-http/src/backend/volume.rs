//! What `/volumes` needs.

use async_trait::async_trait;
use engine_api::volume::{Volume, VolumeCreateRequest, VolumeList, VolumePruneReport};

use crate::{Answer, Filters};

/// Whether a removal insists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Succeed also if the volume or its driver is gone.
    Yes,
    /// Fail.
    No,
}

/// What `/volumes` needs from the engine.
#[async_trait]
pub trait VolumeBackend: Send + Sync + 'static {
    /// Lists volumes (filters `dangling driver label name`).
    async fn list(&self, filters: Filters) -> Answer<VolumeList>;

    /// Makes a volume, or returns the one of this name if it is the same.
    async fn create(&self, request: VolumeCreateRequest) -> Answer<Volume>;

    /// Describes a volume. `get NAME: no such volume` if there is none.
    async fn inspect(&self, name: &str) -> Answer<Volume>;

    /// Removes a volume; `Conflict` if a container uses it, whatever `force` says.
    async fn remove(&self, name: &str, force: Force) -> Answer<()>;

    /// Removes unused volumes: anonymous ones, or all with the filter `all`.
    async fn prune(&self, filters: Filters) -> Answer<VolumePruneReport>;
}
