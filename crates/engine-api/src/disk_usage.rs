//! The answer of `GET /system/df`, before v1.52 ([`DiskUsage`]'s lists) and since (its sums).

use serde_json::Value;

use crate::{container::ContainerSummary, image::ImageSummary, null::unset, volume::Volume};

document! {
    /// What takes room; a kind that was not asked for is `None`.
    pub struct DiskUsage {
        /// Images, since v1.52.
        pub image_usage: Option<ImagesUsage> = "ImageUsage" unless "unset",
        /// Containers, since v1.52.
        pub container_usage: Option<ContainersUsage> = "ContainerUsage" unless "unset",
        /// Volumes, since v1.52.
        pub volume_usage: Option<VolumesUsage> = "VolumeUsage" unless "unset",
        /// The build cache, since v1.52.
        pub build_cache_usage: Option<BuildCacheUsage> = "BuildCacheUsage" unless "unset",
        /// Bytes of all layers, before v1.52.
        pub layers_size: Option<i64> = "LayersSize" unless "unset",
        /// Before v1.52.
        pub images: Option<Vec<ImageSummary>> = "Images" unless "unset",
        /// Before v1.52.
        pub containers: Option<Vec<ContainerSummary>> = "Containers" unless "unset",
        /// Before v1.52.
        pub volumes: Option<Vec<Volume>> = "Volumes" unless "unset",
        /// Before v1.52.
        pub build_cache: Option<Vec<Value>> = "BuildCache" unless "unset",
        /// Before v1.52.
        pub builder_size: Option<i64> = "BuilderSize" unless "unset",
    }

    /// Room for images.
    pub struct ImagesUsage {
        /// In use.
        pub active_count: i64 = "ActiveCount" unless "unset",
        /// Bytes that a prune would free.
        pub reclaimable: i64 = "Reclaimable" unless "unset",
        /// In all.
        pub total_count: i64 = "TotalCount" unless "unset",
        /// Bytes.
        pub total_size: i64 = "TotalSize" unless "unset",
        /// If asked for (`verbose`).
        pub items: Vec<ImageSummary> = "Items" unless "unset",
    }

    /// Room for containers.
    pub struct ContainersUsage {
        /// Running.
        pub active_count: i64 = "ActiveCount" unless "unset",
        /// Bytes that a prune would free.
        pub reclaimable: i64 = "Reclaimable" unless "unset",
        /// In all.
        pub total_count: i64 = "TotalCount" unless "unset",
        /// Bytes.
        pub total_size: i64 = "TotalSize" unless "unset",
        /// If asked for (`verbose`).
        pub items: Vec<ContainerSummary> = "Items" unless "unset",
    }

    /// Room for volumes.
    pub struct VolumesUsage {
        /// In use.
        pub active_count: i64 = "ActiveCount" unless "unset",
        /// Bytes that a prune would free.
        pub reclaimable: i64 = "Reclaimable" unless "unset",
        /// In all.
        pub total_count: i64 = "TotalCount" unless "unset",
        /// Bytes.
        pub total_size: i64 = "TotalSize" unless "unset",
        /// If asked for (`verbose`).
        pub items: Vec<Volume> = "Items" unless "unset",
    }

    /// Room for the build cache.
    pub struct BuildCacheUsage {
        /// In use.
        pub active_count: i64 = "ActiveCount" unless "unset",
        /// Bytes that a prune would free.
        pub reclaimable: i64 = "Reclaimable" unless "unset",
        /// In all.
        pub total_count: i64 = "TotalCount" unless "unset",
        /// Bytes.
        pub total_size: i64 = "TotalSize" unless "unset",
        /// If asked for (`verbose`).
        pub items: Vec<Value> = "Items" unless "unset",
    }
}
