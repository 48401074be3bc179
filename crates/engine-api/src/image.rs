//! Images.

use crate::{Set, StringMap, descriptor::Descriptor, health::HealthConfig, null::unset};

document! {
    /// A line of `GET /images/json`.
    pub struct ImageSummary {
        /// Containers that use it; -1 is not counted.
        pub containers: i64 = "Containers",
        /// Seconds since 1970.
        pub created: i64 = "Created",
        /// The digest.
        pub id: String = "Id",
        /// Free metadata.
        pub labels: Option<StringMap> = "Labels",
        /// The image it was built on, if known.
        pub parent_id: String = "ParentId",
        /// The manifest or index.
        pub descriptor: Option<Descriptor> = "Descriptor" unless "unset",
        /// The manifests, if asked for.
        pub manifests: Option<Vec<serde_json::Value>> = "Manifests" unless "unset",
        /// `name@digest`.
        pub repo_digests: Vec<String> = "RepoDigests",
        /// `name:tag`.
        pub repo_tags: Vec<String> = "RepoTags",
        /// Bytes shared with others; -1 is not computed.
        pub shared_size: i64 = "SharedSize",
        /// Bytes.
        pub size: i64 = "Size",
        /// Bytes again, for clients below v1.44.
        pub virtual_size: Option<i64> = "VirtualSize" unless "unset",
    }

    /// The answer of `GET /images/{name}/json`.
    pub struct ImageInspect {
        /// The digest.
        pub id: String = "Id",
        /// `name:tag`.
        pub repo_tags: Vec<String> = "RepoTags",
        /// `name@digest`.
        pub repo_digests: Vec<String> = "RepoDigests",
        /// The image it was built on; clients below v1.52.
        pub parent: Option<String> = "Parent" unless "unset",
        /// Of the commit.
        pub comment: Option<String> = "Comment" unless "unset",
        /// RFC 3339.
        pub created: Option<String> = "Created" unless "unset",
        /// The builder; clients below v1.52.
        pub docker_version: Option<String> = "DockerVersion" unless "unset",
        /// Who made it.
        pub author: Option<String> = "Author" unless "unset",
        /// What containers inherit.
        pub config: Option<ImageConfig> = "Config",
        /// `amd64`, ...
        pub architecture: String = "Architecture",
        /// `v8`, ...
        pub variant: String = "Variant" unless "unset",
        /// `linux`.
        pub os: String = "Os",
        /// Windows only.
        pub os_version: String = "OsVersion" unless "unset",
        /// Bytes.
        pub size: i64 = "Size",
        /// Bytes again, for clients below v1.44.
        pub virtual_size: Option<i64> = "VirtualSize" unless "unset",
        /// Where its layers are.
        pub graph_driver: Option<GraphDriver> = "GraphDriver" unless "unset",
        /// Its layers.
        pub root_fs: RootFs = "RootFS",
        /// What the engine remembers.
        pub metadata: ImageMetadata = "Metadata",
        /// The manifest or index.
        pub descriptor: Option<Descriptor> = "Descriptor" unless "unset",
        /// The manifests, if asked for.
        pub manifests: Option<Vec<serde_json::Value>> = "Manifests" unless "unset",
    }

    /// What containers inherit from an image.
    pub struct ImageConfig {
        /// `USER[:GROUP]`.
        pub user: String = "User" unless "unset",
        /// `80/tcp`.
        pub exposed_ports: Set = "ExposedPorts" unless "unset",
        /// `KEY=VALUE`.
        pub env: Option<Vec<String>> = "Env" unless "unset",
        /// The program before the command.
        pub entrypoint: Option<Vec<String>> = "Entrypoint" unless "unset",
        /// The command, or the entrypoint's arguments.
        pub cmd: Option<Vec<String>> = "Cmd" unless "unset",
        /// Paths of anonymous volumes.
        pub volumes: Set = "Volumes" unless "unset",
        /// The current directory.
        pub working_dir: String = "WorkingDir" unless "unset",
        /// Free metadata.
        pub labels: Option<StringMap> = "Labels" unless "unset",
        /// The signal that asks it to stop.
        pub stop_signal: String = "StopSignal" unless "unset",
        /// Windows only.
        pub args_escaped: bool = "ArgsEscaped" unless "unset",
        /// How to find out whether it works.
        pub healthcheck: Option<HealthConfig> = "Healthcheck" unless "unset",
        /// Triggers for builds on top.
        pub on_build: Option<Vec<String>> = "OnBuild" unless "unset",
        /// The shell of shell-form commands.
        pub shell: Option<Vec<String>> = "Shell" unless "unset",
    }

    /// Where a file system is on the host.
    pub struct GraphDriver {
        /// Facts.
        pub data: Option<StringMap> = "Data",
        /// `overlay2`.
        pub name: String = "Name",
    }

    /// An image's layers.
    pub struct RootFs {
        /// `layers`.
        pub kind: String = "Type",
        /// Diff ids, lowest first.
        pub layers: Vec<String> = "Layers" unless "unset",
    }

    /// What the engine remembers about an image.
    pub struct ImageMetadata {
        /// RFC 3339; year 1 is never.
        pub last_tag_time: Option<String> = "LastTagTime" unless "unset",
    }

    /// A line of `GET /images/{name}/history`.
    pub struct ImageHistoryItem {
        /// The digest, or `<missing>`.
        pub id: String = "Id",
        /// Seconds since 1970.
        pub created: i64 = "Created",
        /// The instruction.
        pub created_by: String = "CreatedBy",
        /// `name:tag`.
        pub tags: Option<Vec<String>> = "Tags",
        /// Bytes.
        pub size: i64 = "Size",
        /// Of the commit.
        pub comment: String = "Comment",
    }

    /// A line of the answer of `DELETE /images/{name}`.
    pub struct ImageDeleteItem {
        /// A name that is gone.
        pub untagged: String = "Untagged" unless "unset",
        /// A digest that is gone.
        pub deleted: String = "Deleted" unless "unset",
    }

    /// A line of `GET /images/search`.
    pub struct ImageSearchItem {
        /// How many like it.
        pub star_count: i64 = "star_count",
        /// Made by the registry's owner.
        pub is_official: bool = "is_official",
        /// Its name.
        pub name: String = "name",
        /// Not used any more: false.
        pub is_automated: bool = "is_automated",
        /// One line.
        pub description: String = "description",
    }

    /// The answer of `POST /images/prune`.
    pub struct ImagePruneReport {
        /// What went.
        pub images_deleted: Option<Vec<ImageDeleteItem>> = "ImagesDeleted",
        /// Bytes.
        pub space_reclaimed: u64 = "SpaceReclaimed",
    }
}
