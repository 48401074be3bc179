//! Who stands on an image: asked of the service above.

use types::{ContainerId, Digest};

/// A container that is made of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUser {
    /// Its id.
    pub container: ContainerId,
    /// Its name.
    pub name: String,
    /// Whether it runs (or is paused or restarting).
    pub is_running: bool,
}

/// Answers which containers are made of an image; implemented above this crate.
pub trait ImageUse: Send + Sync {
    /// The containers made of `id`, running or not.
    fn containers_using(&self, id: &Digest) -> Vec<ImageUser>;
}

/// An engine without containers.
#[derive(Debug, Clone, Default)]
pub struct NoContainers;

impl ImageUse for NoContainers {
    fn containers_using(&self, _: &Digest) -> Vec<ImageUser> {
        Vec::new()
    }
}

/// What all images take together (`system df`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Unpacked layers, each counted once.
    pub layers_bytes: u64,
    /// Each unpacked layer, by its diff id.
    pub layers: std::collections::BTreeMap<types::Digest, u64>,
    /// Blobs of layers, each counted once.
    pub blobs_bytes: u64,
}
