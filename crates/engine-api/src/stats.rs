//! Resource use of a container: the lines of `GET /containers/{id}/stats`.

use std::collections::BTreeMap;

use crate::null::unset;

document! {
    /// One sample, with the one before it.
    pub struct StatsResponse {
        /// The container's name with its slash.
        pub name: String = "name" unless "unset",
        /// The container's id.
        pub id: String = "id" unless "unset",
        /// `linux`.
        pub os_type: String = "os_type" unless "unset",
        /// When, RFC 3339 with nanoseconds.
        #[serde(serialize_with = "crate::null::time")]
        pub read: String = "read",
        /// When the sample before was taken; year 1 if there is none.
        #[serde(serialize_with = "crate::null::time")]
        pub preread: String = "preread",
        /// Processes.
        pub pids_stats: PidsStats = "pids_stats",
        /// Block devices.
        pub blkio_stats: BlkioStats = "blkio_stats",
        /// Windows only.
        pub num_procs: u32 = "num_procs",
        /// Windows only.
        pub storage_stats: crate::Empty = "storage_stats",
        /// Processor time.
        pub cpu_stats: CpuStats = "cpu_stats",
        /// Processor time of the sample before.
        pub precpu_stats: CpuStats = "precpu_stats",
        /// Memory.
        pub memory_stats: MemoryStats = "memory_stats",
        /// Interfaces by name.
        pub networks: BTreeMap<String, NetworkStats> = "networks" unless "unset",
    }

    /// Processes.
    pub struct PidsStats {
        /// In the cgroup now.
        pub current: u64 = "current" unless "unset",
        /// Allowed; 0 is unlimited.
        pub limit: u64 = "limit" unless "unset",
    }

    /// Processor time.
    pub struct CpuStats {
        /// Of the container, nanoseconds.
        pub cpu_usage: CpuUsage = "cpu_usage",
        /// Of the whole host, nanoseconds.
        pub system_cpu_usage: u64 = "system_cpu_usage" unless "unset",
        /// Processors that are on.
        pub online_cpus: u32 = "online_cpus" unless "unset",
        /// How often the quota bit.
        pub throttling_data: ThrottlingData = "throttling_data",
    }

    /// Nanoseconds of processor time.
    pub struct CpuUsage {
        /// In all.
        pub total_usage: u64 = "total_usage",
        /// Per processor (cgroup v1).
        pub percpu_usage: Vec<u64> = "percpu_usage" unless "unset",
        /// In the kernel.
        pub usage_in_kernelmode: u64 = "usage_in_kernelmode",
        /// In user space.
        pub usage_in_usermode: u64 = "usage_in_usermode",
    }

    /// How often the quota bit.
    pub struct ThrottlingData {
        /// Periods passed.
        pub periods: u64 = "periods",
        /// Periods in which it was throttled.
        pub throttled_periods: u64 = "throttled_periods",
        /// Nanoseconds it waited.
        pub throttled_time: u64 = "throttled_time",
    }

    /// Memory, bytes.
    pub struct MemoryStats {
        /// Now.
        pub usage: u64 = "usage" unless "unset",
        /// The highest (cgroup v1).
        pub max_usage: u64 = "max_usage" unless "unset",
        /// The lines of `memory.stat`.
        pub stats: BTreeMap<String, u64> = "stats" unless "unset",
        /// Times the limit was hit (cgroup v1).
        pub failcnt: u64 = "failcnt" unless "unset",
        /// Allowed; the host's memory if unlimited.
        pub limit: u64 = "limit" unless "unset",
    }

    /// Block devices; a list that the kernel does not offer is `null`.
    pub struct BlkioStats {
        /// Bytes.
        pub io_service_bytes_recursive: Option<Vec<BlkioStatEntry>> = "io_service_bytes_recursive",
        /// Operations.
        pub io_serviced_recursive: Option<Vec<BlkioStatEntry>> = "io_serviced_recursive",
        /// Queued now.
        pub io_queue_recursive: Option<Vec<BlkioStatEntry>> = "io_queue_recursive",
        /// Nanoseconds of service.
        pub io_service_time_recursive: Option<Vec<BlkioStatEntry>> = "io_service_time_recursive",
        /// Nanoseconds of waiting.
        pub io_wait_time_recursive: Option<Vec<BlkioStatEntry>> = "io_wait_time_recursive",
        /// Merged operations.
        pub io_merged_recursive: Option<Vec<BlkioStatEntry>> = "io_merged_recursive",
        /// Milliseconds of device time.
        pub io_time_recursive: Option<Vec<BlkioStatEntry>> = "io_time_recursive",
        /// Sectors.
        pub sectors_recursive: Option<Vec<BlkioStatEntry>> = "sectors_recursive",
    }

    /// One number of one device.
    pub struct BlkioStatEntry {
        /// Device number.
        pub major: u64 = "major",
        /// Device number.
        pub minor: u64 = "minor",
        /// `read`, `write`, ...
        pub op: String = "op",
        /// The number.
        pub value: u64 = "value",
    }

    /// One interface, seen from inside.
    pub struct NetworkStats {
        /// Received.
        pub rx_bytes: u64 = "rx_bytes",
        /// Received.
        pub rx_packets: u64 = "rx_packets",
        /// Received with errors.
        pub rx_errors: u64 = "rx_errors",
        /// Received and dropped.
        pub rx_dropped: u64 = "rx_dropped",
        /// Sent.
        pub tx_bytes: u64 = "tx_bytes",
        /// Sent.
        pub tx_packets: u64 = "tx_packets",
        /// Failed to send.
        pub tx_errors: u64 = "tx_errors",
        /// Dropped before sending.
        pub tx_dropped: u64 = "tx_dropped",
    }
}
