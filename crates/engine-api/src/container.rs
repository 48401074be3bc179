//! Containers: configuration, creation, inspection, lists and the small answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Set, StringMap,
    descriptor::Descriptor,
    health::{Health, HealthConfig, HealthSummary},
    host_config::{HostConfig, Resources, RestartPolicy},
    image::GraphDriver,
    mount::MountPoint,
    network::{EndpointSettings, NetworkSettings, NetworkingConfig},
    null::{or_default, string_or_list, unset},
    port::PortSummary,
};

/// The portable part of a container's configuration (`Config` in Docker's documents).
///
/// `cmd`, `entrypoint` and `shell` also read a single string.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// The host name inside.
    #[serde(deserialize_with = "or_default")]
    pub hostname: String,
    /// The domain name inside.
    #[serde(deserialize_with = "or_default")]
    pub domainname: String,
    /// `USER[:GROUP]`.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// The creating client connects stdin.
    #[serde(deserialize_with = "or_default")]
    pub attach_stdin: bool,
    /// The creating client connects stdout.
    #[serde(deserialize_with = "or_default")]
    pub attach_stdout: bool,
    /// The creating client connects stderr.
    #[serde(deserialize_with = "or_default")]
    pub attach_stderr: bool,
    /// `80/tcp`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "unset")]
    pub exposed_ports: Set,
    /// On a terminal.
    #[serde(deserialize_with = "or_default")]
    pub tty: bool,
    /// Keep stdin open.
    #[serde(deserialize_with = "or_default")]
    pub open_stdin: bool,
    /// Close stdin when the first client goes.
    #[serde(deserialize_with = "or_default")]
    pub stdin_once: bool,
    /// `KEY=VALUE`; `KEY` alone removes the image's.
    pub env: Option<Vec<String>>,
    /// The command, or the entrypoint's arguments.
    #[serde(deserialize_with = "string_or_list")]
    pub cmd: Option<Vec<String>>,
    /// How to find out whether it works.
    #[serde(skip_serializing_if = "unset")]
    pub healthcheck: Option<HealthConfig>,
    /// Windows only.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "unset")]
    pub args_escaped: bool,
    /// The image as it was named.
    #[serde(deserialize_with = "or_default")]
    pub image: String,
    /// Paths of anonymous volumes.
    pub volumes: Option<Set>,
    /// The current directory.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// The program before the command.
    #[serde(deserialize_with = "string_or_list")]
    pub entrypoint: Option<Vec<String>>,
    /// Without network.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "unset")]
    pub network_disabled: bool,
    /// Of the first interface; clients below v1.44.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "unset")]
    pub mac_address: String,
    /// Triggers for builds on top.
    pub on_build: Option<Vec<String>>,
    /// Free metadata.
    #[serde(deserialize_with = "or_default")]
    pub labels: StringMap,
    /// The signal that asks it to stop.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "unset")]
    pub stop_signal: String,
    /// Seconds until it is killed.
    #[serde(skip_serializing_if = "unset")]
    pub stop_timeout: Option<i64>,
    /// The shell of shell-form commands.
    #[serde(deserialize_with = "string_or_list", skip_serializing_if = "unset")]
    pub shell: Option<Vec<String>>,
}

embedding! {
    /// The body of `POST /containers/create`.
    pub struct ContainerCreateRequest / ContainerCreateOwn {
        /// The portable part, on the same level in JSON.
        pub config: ContainerConfig,
        /// The host's part.
        pub host_config: Option<HostConfig> = "HostConfig" unless "unset",
        /// Networks to join.
        pub networking_config: Option<NetworkingConfig> = "NetworkingConfig" unless "unset",
    }
}

embedding! {
    /// The body of `POST /containers/{id}/update`; zero and `None` leave a value as it is.
    pub struct ContainerUpdateRequest / ContainerUpdateOwn {
        /// Limits, on the same level in JSON.
        pub resources: Resources,
        /// What follows an exit; an empty name leaves it.
        pub restart_policy: RestartPolicy = "RestartPolicy",
    }
}

document! {
    /// The answer of `POST /containers/create`.
    pub struct ContainerCreateResponse {
        /// The new id.
        pub id: String = "Id",
        /// What to tell the user.
        pub warnings: Vec<String> = "Warnings",
    }

    /// The answer of `POST /containers/{id}/update`.
    pub struct ContainerUpdateResponse {
        /// What to tell the user.
        pub warnings: Option<Vec<String>> = "Warnings",
    }

    /// The answer of `GET /containers/{id}/json`.
    pub struct ContainerInspect {
        /// 64 characters.
        pub id: String = "Id",
        /// RFC 3339 with nanoseconds.
        pub created: String = "Created",
        /// The program.
        pub path: String = "Path",
        /// Its arguments.
        pub args: Vec<String> = "Args",
        /// What it does now.
        pub state: ContainerState = "State",
        /// The image's digest.
        pub image: String = "Image",
        /// On the host.
        pub resolv_conf_path: String = "ResolvConfPath",
        /// On the host.
        pub hostname_path: String = "HostnamePath",
        /// On the host.
        pub hosts_path: String = "HostsPath",
        /// On the host.
        pub log_path: String = "LogPath",
        /// With its slash.
        pub name: String = "Name",
        /// By the restart policy.
        pub restart_count: i64 = "RestartCount",
        /// The snapshotter.
        pub driver: String = "Driver",
        /// `linux`.
        pub platform: String = "Platform",
        /// The image's manifest.
        pub image_manifest_descriptor: Option<Descriptor> = "ImageManifestDescriptor" unless "unset",
        /// SELinux.
        pub mount_label: String = "MountLabel",
        /// SELinux.
        pub process_label: String = "ProcessLabel",
        /// AppArmor.
        pub app_armor_profile: String = "AppArmorProfile",
        /// Running execs.
        pub exec_ids: Option<Vec<String>> = "ExecIDs",
        /// The host's part of the configuration.
        pub host_config: HostConfig = "HostConfig",
        /// Where the root file system is.
        pub graph_driver: Option<GraphDriver> = "GraphDriver" unless "unset",
        /// Bytes written, if asked for.
        pub size_rw: Option<i64> = "SizeRw" unless "unset",
        /// Bytes in all, if asked for.
        pub size_root_fs: Option<i64> = "SizeRootFs" unless "unset",
        /// Mounts.
        pub mounts: Vec<MountPoint> = "Mounts",
        /// The portable part of the configuration.
        pub config: ContainerConfig = "Config",
        /// Networks.
        pub network_settings: NetworkSettings = "NetworkSettings",
    }

    /// What a container does.
    pub struct ContainerState {
        /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
        pub status: String = "Status",
        /// Also while paused and restarting.
        pub running: bool = "Running",
        /// Frozen.
        pub paused: bool = "Paused",
        /// Waiting for its next start.
        pub restarting: bool = "Restarting",
        /// Killed for memory.
        pub oom_killed: bool = "OOMKilled",
        /// Its removal failed.
        pub dead: bool = "Dead",
        /// On the host; 0 if it does not run.
        pub pid: i64 = "Pid",
        /// Of the last run.
        pub exit_code: i64 = "ExitCode",
        /// Why the last start failed.
        pub error: String = "Error",
        /// RFC 3339 with nanoseconds; year 1 is never.
        #[serde(serialize_with = "crate::null::time")]
        pub started_at: String = "StartedAt",
        /// RFC 3339 with nanoseconds; year 1 is never.
        #[serde(serialize_with = "crate::null::time")]
        pub finished_at: String = "FinishedAt",
        /// Why the engine started it again, if it did. Gantry's own.
        pub restart_reason: String = "RestartReason" unless "unset",
        /// If it has a health check.
        pub health: Option<Health> = "Health" unless "unset",
    }

    /// A line of `GET /containers/json`.
    pub struct ContainerSummary {
        /// 64 characters.
        pub id: String = "Id",
        /// With slashes.
        pub names: Vec<String> = "Names",
        /// The image as it was named.
        pub image: String = "Image",
        /// The image's digest.
        pub image_id: String = "ImageID",
        /// The image's manifest.
        pub image_manifest_descriptor: Option<Descriptor> = "ImageManifestDescriptor" unless "unset",
        /// Program and arguments as one text.
        pub command: String = "Command",
        /// Seconds since 1970.
        pub created: i64 = "Created",
        /// Ports.
        pub ports: Vec<PortSummary> = "Ports",
        /// Bytes written, if asked for.
        pub size_rw: Option<i64> = "SizeRw" unless "unset",
        /// Bytes in all, if asked for.
        pub size_root_fs: Option<i64> = "SizeRootFs" unless "unset",
        /// Free metadata.
        pub labels: StringMap = "Labels",
        /// `running`, `exited`, ...
        pub state: String = "State",
        /// `Up 2 hours (healthy)`.
        pub status: String = "Status",
        /// The little of it that lists show.
        pub host_config: HostConfigSummary = "HostConfig",
        /// Networks.
        pub network_settings: NetworkSettingsSummary = "NetworkSettings",
        /// Mounts.
        pub mounts: Vec<MountPoint> = "Mounts",
        /// Since v1.52, if it has a health check.
        pub health: Option<HealthSummary> = "Health" unless "unset",
    }

    /// The host configuration in a list.
    pub struct HostConfigSummary {
        /// `bridge`, `host`, ...
        pub network_mode: String = "NetworkMode" unless "unset",
        /// Handed to the runtime.
        pub annotations: StringMap = "Annotations" unless "unset",
    }

    /// The networks in a list.
    pub struct NetworkSettingsSummary {
        /// Ends by network name.
        pub networks: BTreeMap<String, EndpointSettings> = "Networks",
    }

    /// The answer of `GET /containers/{id}/top`.
    pub struct TopResponse {
        /// Columns.
        pub titles: Vec<String> = "Titles",
        /// Rows.
        pub processes: Vec<Vec<String>> = "Processes",
    }

    /// The answer of `POST /containers/{id}/wait`.
    pub struct WaitResponse {
        /// The exit code.
        pub status_code: i64 = "StatusCode",
        /// Why the wait failed.
        pub error: Option<WaitError> = "Error" unless "unset",
    }

    /// Why a wait failed.
    pub struct WaitError {
        /// The text.
        pub message: String = "Message" unless "unset",
    }

    /// The answer of `POST /containers/prune`.
    pub struct ContainerPruneReport {
        /// Ids.
        pub containers_deleted: Option<Vec<String>> = "ContainersDeleted",
        /// Bytes.
        pub space_reclaimed: u64 = "SpaceReclaimed",
    }

    /// A line of `GET /containers/{id}/changes`.
    pub struct FilesystemChange {
        /// 0 modified, 1 added, 2 deleted.
        pub kind: u8 = "Kind",
        /// In the container.
        pub path: String = "Path",
    }

    /// What the header `X-Docker-Container-Path-Stat` holds, in base64.
    pub struct PathStat {
        /// The last component.
        pub name: String = "name",
        /// Bytes.
        pub size: i64 = "size",
        /// Go's `os.FileMode`, not the kernel's `st_mode`.
        pub mode: u32 = "mode",
        /// RFC 3339.
        pub mtime: String = "mtime",
        /// Where a symbolic link points.
        pub link_target: String = "linkTarget",
    }
}
