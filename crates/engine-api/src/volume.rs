//! Volumes.

use std::collections::BTreeMap;

use crate::{StringMap, null::unset};

document! {
    /// One volume.
    pub struct Volume {
        /// RFC 3339.
        pub created_at: String = "CreatedAt" unless "unset",
        /// `local`.
        pub driver: String = "Driver",
        /// Free metadata.
        pub labels: Option<StringMap> = "Labels",
        /// Where it is on the host.
        pub mountpoint: String = "Mountpoint",
        /// Its name.
        pub name: String = "Name",
        /// The driver's options.
        pub options: Option<StringMap> = "Options",
        /// `local`.
        pub scope: String = "Scope",
        /// What the driver says.
        pub status: BTreeMap<String, serde_json::Value> = "Status" unless "unset",
        /// Swarm clusters only.
        pub cluster_volume: Option<serde_json::Value> = "ClusterVolume" unless "unset",
        /// Only in `GET /system/df`.
        pub usage_data: Option<VolumeUsage> = "UsageData" unless "unset",
    }

    /// How much a volume holds and who uses it.
    pub struct VolumeUsage {
        /// Containers; -1 is unknown.
        pub ref_count: i64 = "RefCount",
        /// Bytes; -1 is unknown.
        pub size: i64 = "Size",
    }

    /// The answer of `GET /volumes`.
    pub struct VolumeList {
        /// The volumes.
        pub volumes: Vec<Volume> = "Volumes",
        /// What could not be listed.
        pub warnings: Option<Vec<String>> = "Warnings",
    }

    /// The body of `POST /volumes/create`.
    pub struct VolumeCreateRequest {
        /// Empty: a random one is made.
        pub name: String = "Name" unless "unset",
        /// Empty is `local`.
        pub driver: String = "Driver" unless "unset",
        /// The driver's options.
        pub driver_opts: StringMap = "DriverOpts" unless "unset",
        /// Free metadata.
        pub labels: StringMap = "Labels" unless "unset",
        /// Swarm clusters only.
        pub cluster_volume_spec: Option<serde_json::Value> = "ClusterVolumeSpec" unless "unset",
    }

    /// The answer of `POST /volumes/prune`.
    pub struct VolumePruneReport {
        /// Names.
        pub volumes_deleted: Option<Vec<String>> = "VolumesDeleted",
        /// Bytes.
        pub space_reclaimed: u64 = "SpaceReclaimed",
    }
}
