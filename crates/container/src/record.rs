//! The desired state of a container: what was asked for, with everything decided at creation.

use engine_api::{container::ContainerConfig, host_config::HostConfig, network::EndpointSettings};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};
use types::{ContainerId, ContainerName, Digest};

use crate::link::Link;

/// Persisted whole, as JSON, in `container.record`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Never changes.
    pub id: ContainerId,
    /// Changes by rename.
    pub name: ContainerName,
    /// Nanoseconds since the Unix epoch.
    pub created_nanos: i64,
    /// The image's id.
    pub image: Digest,
    /// How the image was named by the caller.
    pub image_name: String,
    /// Diff ids of the image's layers, lowest first.
    pub layers: Vec<Digest>,
    /// The image's platform, `linux/amd64`.
    pub platform: String,
    /// The caller's configuration merged with the image's.
    pub config: ContainerConfig,
    /// The caller's, with defaults filled in.
    pub host_config: HostConfig,
    /// By network name as the caller gave it.
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// Other containers that it has names for.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Decided mounts, in the order of their destinations' depth.
    pub mounts: Vec<MountPlan>,
    /// The executable and its arguments: entrypoint, then command.
    pub command: Vec<String>,
}

/// A mount that was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPlan {
    /// Absolute, clean path in the container.
    pub destination: String,
    /// What is mounted.
    pub source: MountSource,
    /// Whether the container may not write.
    pub is_read_only: bool,
    /// As the caller wrote it (`z`, `ro`, ...).
    pub mode: String,
}

/// Kinds of mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum MountSource {
    /// A path of the host.
    Bind {
        /// Absolute.
        path: PathBuf,
        /// `rprivate`, `rslave`, ...
        propagation: String,
        /// Whether mounts below are not taken along.
        is_non_recursive: bool,
        /// How mounts below a read-only bind are treated.
        #[serde(default)]
        submounts: ReadOnlySubmounts,
    },
    /// A volume.
    Volume {
        /// Its name.
        name: String,
        /// Its directory.
        path: PathBuf,
        /// Whether the image's content is copied into it while it is empty.
        copy_up: bool,
        /// Below the volume's root, or empty.
        #[serde(default)]
        subpath: String,
        /// Whether it goes with the container (`rm -v`, `--rm`).
        is_anonymous: bool,
    },
    /// Memory.
    Tmpfs {
        /// Options of mount(8).
        options: Vec<String>,
    },
}

/// What a read-only bind mount does to the mounts below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadOnlySubmounts {
    /// Read-only where the kernel can (5.12 and later).
    #[default]
    WherePossible,
    /// They stay writable.
    Writable,
    /// Read-only, or the start fails.
    Required,
}

impl MountSource {
    /// The API's word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::Volume { .. } => "volume",
            Self::Tmpfs { .. } => "tmpfs",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record with a name and nothing else.
    pub(crate) fn record(name: &str) -> Record {
        Record {
            id: ContainerId::random(),
            name: name.parse().unwrap(),
            created_nanos: 0,
            image: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
            image_name: "busybox".to_owned(),
            layers: Vec::new(),
            platform: "linux".to_owned(),
            config: ContainerConfig::default(),
            host_config: HostConfig::default(),
            endpoints: BTreeMap::new(),
            links: Vec::new(),
            mounts: Vec::new(),
            command: vec!["sh".to_owned()],
        }
    }
}
