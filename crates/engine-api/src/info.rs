//! The answer of `GET /info`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{StringMap, null::unset};

document! {
    /// The engine and its host.
    pub struct SystemInfo {
        /// The engine's own id.
        pub id: String = "ID",
        /// In all.
        pub containers: i64 = "Containers",
        /// Running.
        pub containers_running: i64 = "ContainersRunning",
        /// Paused.
        pub containers_paused: i64 = "ContainersPaused",
        /// Neither.
        pub containers_stopped: i64 = "ContainersStopped",
        /// In all.
        pub images: i64 = "Images",
        /// The snapshotter.
        pub driver: String = "Driver",
        /// Its facts.
        pub driver_status: Vec<(String, String)> = "DriverStatus",
        /// Names by kind.
        pub plugins: PluginsInfo = "Plugins",
        /// Whether it can be limited.
        pub memory_limit: bool = "MemoryLimit",
        /// Whether it can be limited.
        pub swap_limit: bool = "SwapLimit",
        /// Whether it can be limited.
        pub cpu_cfs_period: bool = "CpuCfsPeriod",
        /// Whether it can be limited.
        pub cpu_cfs_quota: bool = "CpuCfsQuota",
        /// Whether it can be weighted.
        pub cpu_shares: bool = "CPUShares",
        /// Whether it can be chosen.
        pub cpu_set: bool = "CPUSet",
        /// Whether it can be limited.
        pub pids_limit: bool = "PidsLimit",
        /// Whether packets are forwarded.
        pub ipv4_forwarding: bool = "IPv4Forwarding",
        /// Bridge filtering, clients below v1.49.
        pub bridge_nf_iptables: Option<bool> = "BridgeNfIptables" unless "unset",
        /// Bridge filtering, clients below v1.49.
        pub bridge_nf_ip6tables: Option<bool> = "BridgeNfIp6tables" unless "unset",
        /// Whether the log is verbose.
        pub debug: bool = "Debug",
        /// Open files.
        pub n_fd: i64 = "NFd",
        /// Whether it can be switched off.
        pub oom_kill_disable: bool = "OomKillDisable",
        /// Tasks.
        pub n_goroutines: i64 = "NGoroutines",
        /// RFC 3339 with nanoseconds.
        pub system_time: String = "SystemTime",
        /// The default log driver.
        pub logging_driver: String = "LoggingDriver",
        /// `cgroupfs` or `systemd`.
        pub cgroup_driver: String = "CgroupDriver",
        /// `1` or `2`.
        pub cgroup_version: String = "CgroupVersion" unless "unset",
        /// Clients that follow events.
        pub n_events_listener: i64 = "NEventsListener",
        /// `uname -r`.
        pub kernel_version: String = "KernelVersion",
        /// From os-release.
        pub operating_system: String = "OperatingSystem",
        /// From os-release.
        pub os_version: String = "OSVersion",
        /// `linux`.
        pub os_type: String = "OSType",
        /// `x86_64`, ...
        pub architecture: String = "Architecture",
        /// The default registry.
        pub index_server_address: String = "IndexServerAddress",
        /// How registries are reached.
        pub registry_config: Option<RegistryServiceConfig> = "RegistryConfig",
        /// Processors.
        pub ncpu: i64 = "NCPU",
        /// Bytes.
        pub mem_total: i64 = "MemTotal",
        /// Swarm only.
        pub generic_resources: Option<Value> = "GenericResources",
        /// The data root.
        pub docker_root_dir: String = "DockerRootDir",
        /// Without its password.
        pub http_proxy: String = "HttpProxy",
        /// Without its password.
        pub https_proxy: String = "HttpsProxy",
        /// Hosts without proxy.
        pub no_proxy: String = "NoProxy",
        /// The host's name.
        pub name: String = "Name",
        /// Of the engine.
        pub labels: Vec<String> = "Labels",
        /// Never.
        pub experimental_build: bool = "ExperimentalBuild",
        /// The engine's version.
        pub server_version: String = "ServerVersion",
        /// By name.
        pub runtimes: BTreeMap<String, Runtime> = "Runtimes",
        /// The one used if none is named.
        pub default_runtime: String = "DefaultRuntime",
        /// Always inactive.
        pub swarm: SwarmInfo = "Swarm",
        /// Whether containers outlive the engine: always.
        pub live_restore_enabled: bool = "LiveRestoreEnabled",
        /// Windows only.
        pub isolation: String = "Isolation",
        /// The init of `--init`.
        pub init_binary: String = "InitBinary",
        /// Not used.
        pub containerd_commit: Commit = "ContainerdCommit",
        /// The OCI runtime.
        pub runc_commit: Commit = "RuncCommit",
        /// The init.
        pub init_commit: Commit = "InitCommit",
        /// `name=seccomp,profile=builtin`, ...
        pub security_options: Vec<String> = "SecurityOptions",
        /// None.
        pub product_license: String = "ProductLicense" unless "unset",
        /// Pools for new networks.
        pub default_address_pools: Vec<AddressPool> = "DefaultAddressPools" unless "unset",
        /// How packets are filtered.
        pub firewall_backend: Option<FirewallInfo> = "FirewallBackend" unless "unset",
        /// Where device descriptions are.
        pub cdi_spec_dirs: Vec<String> = "CDISpecDirs",
        /// Devices found there.
        pub discovered_devices: Vec<DeviceInfo> = "DiscoveredDevices" unless "unset",
        /// What to tell the user.
        pub warnings: Option<Vec<String>> = "Warnings",
    }

    /// Names of plugins by kind.
    pub struct PluginsInfo {
        /// Volume drivers.
        pub volume: Option<Vec<String>> = "Volume",
        /// Network drivers.
        pub network: Option<Vec<String>> = "Network",
        /// Authorization plugins.
        pub authorization: Option<Vec<String>> = "Authorization",
        /// Log drivers.
        pub log: Option<Vec<String>> = "Log",
    }

    /// How registries are reached.
    pub struct RegistryServiceConfig {
        /// Networks without TLS.
        pub insecure_registry_cidrs: Option<Vec<String>> = "InsecureRegistryCIDRs",
        /// By host.
        pub index_configs: BTreeMap<String, IndexInfo> = "IndexConfigs",
        /// Of the default registry.
        pub mirrors: Option<Vec<String>> = "Mirrors",
    }

    /// One registry.
    pub struct IndexInfo {
        /// Its host.
        pub name: String = "Name",
        /// Its mirrors.
        pub mirrors: Option<Vec<String>> = "Mirrors",
        /// Whether TLS is verified.
        pub secure: bool = "Secure",
        /// Whether it is the default one.
        pub official: bool = "Official",
    }

    /// One OCI runtime.
    pub struct Runtime {
        /// The program.
        pub path: String = "path" unless "unset",
        /// Its arguments.
        pub runtime_args: Vec<String> = "runtimeArgs" unless "unset",
        /// What it says about itself.
        pub status: StringMap = "status" unless "unset",
    }

    /// Swarm membership: none.
    pub struct SwarmInfo {
        /// Empty.
        pub node_id: String = "NodeID",
        /// Empty.
        pub node_addr: String = "NodeAddr",
        /// `inactive`.
        pub local_node_state: String = "LocalNodeState",
        /// No.
        pub control_available: bool = "ControlAvailable",
        /// Empty.
        pub error: String = "Error",
        /// None.
        pub remote_managers: Option<Value> = "RemoteManagers",
    }

    /// A program's revision.
    pub struct Commit {
        /// The revision.
        pub id: String = "ID",
    }

    /// A pool for new networks.
    pub struct AddressPool {
        /// The whole.
        pub base: String = "Base",
        /// Prefix length of each network.
        pub size: i64 = "Size",
    }

    /// How packets are filtered.
    pub struct FirewallInfo {
        /// `nftables`.
        pub driver: String = "Driver",
        /// Facts.
        pub info: Vec<(String, String)> = "Info" unless "unset",
    }

    /// A device that a driver found.
    pub struct DeviceInfo {
        /// `cdi`.
        pub source: String = "Source",
        /// `vendor.com/gpu=0`.
        pub id: String = "ID",
    }
}
