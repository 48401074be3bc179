//! The part of a container's configuration that depends on the host, and its resources.

use crate::{StringMap, mount::Mount, null::unset, port::PortMap};

document! {
    /// Limits and devices; also the body of `POST /containers/{id}/update`, where zero means
    /// "leave it".
    pub struct Resources {
        /// Relative weight, 0 is the default of 1024.
        pub cpu_shares: i64 = "CpuShares",
        /// Bytes, 0 is unlimited.
        pub memory: i64 = "Memory",
        /// Billionths of a CPU.
        pub nano_cpus: i64 = "NanoCpus",
        /// The cgroup below which the container's is made.
        pub cgroup_parent: String = "CgroupParent",
        /// Relative weight, 10 to 1000.
        pub blkio_weight: u16 = "BlkioWeight",
        /// Weights per device.
        pub blkio_weight_device: Option<Vec<WeightDevice>> = "BlkioWeightDevice",
        /// Bytes per second.
        pub blkio_device_read_bps: Option<Vec<ThrottleDevice>> = "BlkioDeviceReadBps",
        /// Bytes per second.
        pub blkio_device_write_bps: Option<Vec<ThrottleDevice>> = "BlkioDeviceWriteBps",
        /// Operations per second.
        pub blkio_device_read_iops: Option<Vec<ThrottleDevice>> = "BlkioDeviceReadIOps",
        /// Operations per second.
        pub blkio_device_write_iops: Option<Vec<ThrottleDevice>> = "BlkioDeviceWriteIOps",
        /// Microseconds.
        pub cpu_period: i64 = "CpuPeriod",
        /// Microseconds per period.
        pub cpu_quota: i64 = "CpuQuota",
        /// Microseconds.
        pub cpu_realtime_period: i64 = "CpuRealtimePeriod",
        /// Microseconds.
        pub cpu_realtime_runtime: i64 = "CpuRealtimeRuntime",
        /// `0-2,4`.
        pub cpuset_cpus: String = "CpusetCpus",
        /// Memory nodes.
        pub cpuset_mems: String = "CpusetMems",
        /// Devices of the host to show.
        pub devices: Option<Vec<DeviceMapping>> = "Devices",
        /// `c 13:* rwm`.
        pub device_cgroup_rules: Option<Vec<String>> = "DeviceCgroupRules",
        /// Devices by driver (GPUs, CDI).
        pub device_requests: Option<Vec<DeviceRequest>> = "DeviceRequests",
        /// Not supported by current kernels.
        pub kernel_memory: i64 = "KernelMemory" unless "unset",
        /// Bytes.
        pub kernel_memory_tcp: i64 = "KernelMemoryTCP" unless "unset",
        /// Bytes, the soft limit.
        pub memory_reservation: i64 = "MemoryReservation",
        /// Bytes of memory and swap together, -1 is unlimited.
        pub memory_swap: i64 = "MemorySwap",
        /// 0 to 100; `None` or -1 is the host's.
        pub memory_swappiness: Option<i64> = "MemorySwappiness",
        /// Whether the OOM killer leaves the container alone.
        pub oom_kill_disable: Option<bool> = "OomKillDisable",
        /// 0 and -1 are unlimited.
        pub pids_limit: Option<i64> = "PidsLimit",
        /// Resource limits of the processes.
        pub ulimits: Option<Vec<Ulimit>> = "Ulimits",
        /// Windows only.
        pub cpu_count: i64 = "CpuCount",
        /// Windows only.
        pub cpu_percent: i64 = "CpuPercent",
        /// Windows only.
        pub io_maximum_iops: u64 = "IOMaximumIOps",
        /// Windows only.
        pub io_maximum_bandwidth: u64 = "IOMaximumBandwidth",
    }

    /// A block device's weight.
    pub struct WeightDevice {
        /// Of the device node.
        pub path: String = "Path",
        /// 10 to 1000.
        pub weight: u16 = "Weight",
    }

    /// A block device's rate.
    pub struct ThrottleDevice {
        /// Of the device node.
        pub path: String = "Path",
        /// Per second.
        pub rate: u64 = "Rate",
    }

    /// A device of the host shown in the container.
    pub struct DeviceMapping {
        /// Path on the host.
        pub path_on_host: String = "PathOnHost",
        /// Path in the container.
        pub path_in_container: String = "PathInContainer",
        /// Some of `rwm`.
        pub cgroup_permissions: String = "CgroupPermissions",
    }

    /// Devices asked of a driver.
    pub struct DeviceRequest {
        /// `nvidia`, `cdi`, ...
        pub driver: String = "Driver",
        /// -1 is all.
        pub count: i64 = "Count",
        /// Instead of a count.
        pub device_ids: Option<Vec<String>> = "DeviceIDs",
        /// Alternatives of capabilities.
        pub capabilities: Option<Vec<Vec<String>>> = "Capabilities",
        /// For the driver.
        pub options: Option<StringMap> = "Options",
    }

    /// One resource limit.
    pub struct Ulimit {
        /// `nofile`, `core`, ...
        pub name: String = "Name",
        /// -1 is unlimited.
        pub hard: i64 = "Hard",
        /// -1 is unlimited.
        pub soft: i64 = "Soft",
    }

    /// Where the output goes.
    pub struct LogConfig {
        /// `json-file`, `local`, `none`, ...
        pub kind: String = "Type",
        /// The driver's options.
        pub config: Option<StringMap> = "Config",
    }

    /// What follows an exit.
    pub struct RestartPolicy {
        /// Empty or `no`, `always`, `unless-stopped`, `on-failure`.
        pub name: String = "Name",
        /// For `on-failure`; 0 is unlimited.
        pub maximum_retry_count: i64 = "MaximumRetryCount",
    }
}

embedding! {
    /// The part of a container's configuration that depends on the host.
    pub struct HostConfig / HostConfigOwn {
        /// Limits and devices, on the same level in JSON.
        pub resources: Resources,
        /// `SOURCE:TARGET[:OPTIONS]`.
        pub binds: Option<Vec<String>> = "Binds",
        /// A file for the id, written by the client.
        pub container_id_file: String = "ContainerIDFile",
        /// Where the output goes.
        pub log_config: LogConfig = "LogConfig",
        /// `default`, `bridge`, `host`, `none`, `container:ID` or a network.
        pub network_mode: String = "NetworkMode",
        /// Ports to publish.
        pub port_bindings: Option<PortMap> = "PortBindings",
        /// What follows an exit.
        pub restart_policy: RestartPolicy = "RestartPolicy",
        /// Remove the container when it exits.
        pub auto_remove: bool = "AutoRemove",
        /// The driver of volumes made for `Binds`.
        pub volume_driver: String = "VolumeDriver",
        /// Containers whose volumes are mounted too: `NAME[:ro]`.
        pub volumes_from: Option<Vec<String>> = "VolumesFrom",
        /// Height and width.
        pub console_size: [u32; 2] = "ConsoleSize",
        /// Handed to the runtime.
        pub annotations: StringMap = "Annotations" unless "unset",
        /// Capabilities beyond the default.
        pub cap_add: Option<Vec<String>> = "CapAdd",
        /// Capabilities taken away.
        pub cap_drop: Option<Vec<String>> = "CapDrop",
        /// `private`, `host` or empty.
        pub cgroupns_mode: String = "CgroupnsMode",
        /// DNS servers.
        pub dns: Option<Vec<String>> = "Dns",
        /// Options of resolv.conf.
        pub dns_options: Option<Vec<String>> = "DnsOptions",
        /// Search domains.
        pub dns_search: Option<Vec<String>> = "DnsSearch",
        /// `HOST:IP`.
        pub extra_hosts: Option<Vec<String>> = "ExtraHosts",
        /// Further groups of the process.
        pub group_add: Option<Vec<String>> = "GroupAdd",
        /// `none`, `private`, `shareable`, `host`, `container:ID` or empty.
        pub ipc_mode: String = "IpcMode",
        /// `container:ID`.
        pub cgroup: String = "Cgroup",
        /// `CONTAINER:ALIAS`.
        pub links: Option<Vec<String>> = "Links",
        /// -1000 to 1000.
        pub oom_score_adj: i64 = "OomScoreAdj",
        /// `host`, `container:ID` or empty.
        pub pid_mode: String = "PidMode",
        /// All capabilities, all devices, no filters.
        pub privileged: bool = "Privileged",
        /// Publish every exposed port to an ephemeral one.
        pub publish_all_ports: bool = "PublishAllPorts",
        /// The root file system is read-only.
        pub readonly_rootfs: bool = "ReadonlyRootfs",
        /// `seccomp=..`, `apparmor=..`, `no-new-privileges`, `label=..`, ...
        pub security_opt: Option<Vec<String>> = "SecurityOpt",
        /// Options of the snapshotter.
        pub storage_opt: StringMap = "StorageOpt" unless "unset",
        /// Options by path.
        pub tmpfs: StringMap = "Tmpfs" unless "unset",
        /// `host` or empty.
        pub uts_mode: String = "UTSMode",
        /// `host` or empty.
        pub userns_mode: String = "UsernsMode",
        /// Bytes of `/dev/shm`.
        pub shm_size: i64 = "ShmSize",
        /// Kernel parameters of the container's namespaces.
        pub sysctls: StringMap = "Sysctls" unless "unset",
        /// The OCI runtime.
        pub runtime: String = "Runtime" unless "unset",
        /// Windows only.
        pub isolation: String = "Isolation",
        /// Mounts in the long form.
        pub mounts: Vec<Mount> = "Mounts" unless "unset",
        /// Paths to hide; `None` is the default set, `[]` none.
        pub masked_paths: Option<Vec<String>> = "MaskedPaths",
        /// Paths to make read-only; `None` is the default set, `[]` none.
        pub readonly_paths: Option<Vec<String>> = "ReadonlyPaths",
        /// Run an init as pid 1.
        pub init: Option<bool> = "Init" unless "unset",
    }
}
