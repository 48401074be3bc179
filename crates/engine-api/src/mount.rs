//! Mounts: as asked for (`Mount`) and as they are (`MountPoint`).

use crate::{StringMap, null::unset};

document! {
    /// A mount as a client asks for it.
    pub struct Mount {
        /// `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`.
        pub kind: String = "Type" unless "unset",
        /// Volume name, host path or image.
        pub source: String = "Source" unless "unset",
        /// Path in the container.
        pub target: String = "Target" unless "unset",
        /// Whether writes are refused.
        pub read_only: bool = "ReadOnly" unless "unset",
        /// Ignored on Linux.
        pub consistency: String = "Consistency" unless "unset",
        /// For `bind`.
        pub bind_options: Option<BindOptions> = "BindOptions" unless "unset",
        /// For `volume`.
        pub volume_options: Option<VolumeOptions> = "VolumeOptions" unless "unset",
        /// For `image`.
        pub image_options: Option<ImageOptions> = "ImageOptions" unless "unset",
        /// For `tmpfs`.
        pub tmpfs_options: Option<TmpfsOptions> = "TmpfsOptions" unless "unset",
    }

    /// Options of a bind mount.
    pub struct BindOptions {
        /// `private`, `rprivate`, `shared`, `rshared`, `slave`, `rslave`.
        pub propagation: String = "Propagation" unless "unset",
        /// Without submounts.
        pub non_recursive: bool = "NonRecursive" unless "unset",
        /// Make the source directory if it is missing.
        pub create_mountpoint: bool = "CreateMountpoint" unless "unset",
        /// Submounts stay writable.
        pub read_only_non_recursive: bool = "ReadOnlyNonRecursive" unless "unset",
        /// Refuse if submounts cannot be made read-only.
        pub read_only_force_recursive: bool = "ReadOnlyForceRecursive" unless "unset",
    }

    /// Options of a volume mount.
    pub struct VolumeOptions {
        /// Do not fill an empty volume from the image.
        pub no_copy: bool = "NoCopy" unless "unset",
        /// Labels of a volume that is made for this mount.
        pub labels: StringMap = "Labels" unless "unset",
        /// A path inside the volume.
        pub subpath: String = "Subpath" unless "unset",
        /// The driver of a volume that is made for this mount.
        pub driver_config: Option<DriverConfig> = "DriverConfig" unless "unset",
    }

    /// A volume driver with its options.
    pub struct DriverConfig {
        /// The driver.
        pub name: String = "Name" unless "unset",
        /// Its options.
        pub options: StringMap = "Options" unless "unset",
    }

    /// Options of an image mount.
    pub struct ImageOptions {
        /// A path inside the image.
        pub subpath: String = "Subpath" unless "unset",
    }

    /// Options of a tmpfs.
    pub struct TmpfsOptions {
        /// Bytes; zero is unlimited.
        pub size_bytes: i64 = "SizeBytes" unless "unset",
        /// Permission bits.
        pub mode: u32 = "Mode" unless "unset",
        /// Further options: `["noexec"]` or `["key", "value"]`.
        pub options: Vec<Vec<String>> = "Options" unless "unset",
    }

    /// A mount of an existing container.
    pub struct MountPoint {
        /// `bind`, `volume`, `tmpfs`, `image`, ...
        pub kind: String = "Type" unless "unset",
        /// The volume's name.
        pub name: String = "Name" unless "unset",
        /// Where it is on the host.
        pub source: String = "Source",
        /// Where it is in the container.
        pub destination: String = "Destination",
        /// The volume's driver.
        pub driver: String = "Driver" unless "unset",
        /// The options of the bind as given, such as `z,ro`.
        pub mode: String = "Mode",
        /// Whether it is writable.
        pub rw: bool = "RW",
        /// The propagation mode.
        pub propagation: String = "Propagation",
    }
}
