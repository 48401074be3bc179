//! Resource use of a running container, as one sample.

use std::{collections::BTreeMap, fs};

use engine_api::stats::{
    BlkioStatEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats,
    StatsResponse, ThrottlingData,
};
use runtime::cgroup::{BlockIoEntry, Cgroup, Stats};

use crate::{
    ContainerError, Containers,
    clock::{ZERO, now_nanos, rfc3339},
    container::Container,
    network_mode::NetworkMode,
};

/// `USER_HZ`: /proc/stat counts in hundredths of a second on every Linux architecture.
const NANOS_PER_TICK: u64 = 10_000_000;

impl Containers {
    /// One sample; `previous` becomes its `precpu_stats`. A container that does not run has zeros,
    /// as in Docker.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] when the cgroup cannot be read.
    pub fn sample(
        &self,
        container: &Container,
        previous: Option<&StatsResponse>,
    ) -> Result<StatsResponse, ContainerError> {
        let record = container.record();
        let mut response = StatsResponse {
            name: format!("/{}", record.name),
            id: record.id.to_string(),
            os_type: "linux".to_owned(),
            read: rfc3339(now_nanos()),
            preread: ZERO.to_owned(),
            ..StatsResponse::default()
        };
        if let Some(previous) = previous {
            response.preread.clone_from(&previous.read);
            response.precpu_stats = previous.cpu_stats.clone();
        }
        let state = container.state();
        if !state.is_running() {
            response.read = ZERO.to_owned();
            return Ok(response);
        }
        let stats = Cgroup::open(&self.cgroup_path(&record))
            .and_then(|cgroup| cgroup.stats())
            .map_err(|error| ContainerError::Conflict(types::error::chain(&error)))?;
        fill(&mut response, stats);
        if NetworkMode::parse(&record.host_config.network_mode) != NetworkMode::Host {
            let text = fs::read_to_string(format!("/proc/{}/net/dev", state.pid));
            response.networks = interfaces(&text.unwrap_or_default());
        }
        Ok(response)
    }
}

fn fill(response: &mut StatsResponse, stats: Stats) {
    let (system_cpu_usage, online_cpus) = system_cpu();
    response.cpu_stats = CpuStats {
        cpu_usage: CpuUsage {
            total_usage: stats.cpu.usage_nanos,
            percpu_usage: stats.cpu.per_cpu_nanos,
            usage_in_kernelmode: stats.cpu.kernel_nanos,
            usage_in_usermode: stats.cpu.user_nanos,
        },
        system_cpu_usage,
        online_cpus,
        throttling_data: ThrottlingData {
            periods: stats.cpu.periods,
            throttled_periods: stats.cpu.throttled_periods,
            throttled_time: stats.cpu.throttled_nanos,
        },
    };
    let total = host_memory_bytes();
    response.memory_stats = MemoryStats {
        usage: stats.memory.usage_bytes,
        max_usage: stats.memory.max_usage_bytes,
        stats: stats.memory.stat,
        failcnt: stats.memory.failures,
        limit: stats.memory.limit_bytes.min(total),
    };
    response.pids_stats = PidsStats { current: stats.pids.current, limit: stats.pids.limit };
    let entries = |list: Vec<BlockIoEntry>| Some(list.into_iter().map(entry).collect());
    response.blkio_stats = BlkioStats {
        io_service_bytes_recursive: entries(stats.block_io.service_bytes),
        io_serviced_recursive: entries(stats.block_io.serviced),
        ..BlkioStats::default()
    };
}

fn entry(entry: BlockIoEntry) -> BlkioStatEntry {
    BlkioStatEntry {
        major: entry.major,
        minor: entry.minor,
        op: entry.operation,
        value: entry.value,
    }
}

/// Nanoseconds of all CPUs since boot, idle ones included, and how many CPUs are there.
fn system_cpu() -> (u64, u32) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let total: u64 = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        // The eight counters before guest time, which is part of user time.
        .take(8)
        .filter_map(|number| number.parse::<u64>().ok())
        .sum();
    let is_cpu = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let cpus = text.lines().filter(is_cpu).count();
    (total * NANOS_PER_TICK, u32::try_from(cpus).unwrap_or(1))
}

/// The host's memory, which is the limit of a container without one.
#[must_use]
pub fn host_memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram as u64 * u64::from(info.mem_unit)
}

/// `/proc/PID/net/dev` without the loopback device.
fn interfaces(text: &str) -> BTreeMap<String, NetworkStats> {
    let mut found = BTreeMap::new();
    for line in text.lines().skip(2) {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        let n: Vec<u64> = numbers.split_whitespace().filter_map(|t| t.parse().ok()).collect();
        if name.trim() == "lo" || n.len() < 12 {
            continue;
        }
        let stats = NetworkStats {
            rx_bytes: n[0],
            rx_packets: n[1],
            rx_errors: n[2],
            rx_dropped: n[3],
            tx_bytes: n[8],
            tx_packets: n[9],
            tx_errors: n[10],
            tx_dropped: n[11],
        };
        found.insert(name.trim().to_owned(), stats);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_counters() {
        let text = "h\nh\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 10 2 3 4 0 0 0 0 20 5 6 7 0 0 0 0\n";
        let found = interfaces(text);
        assert_eq!(found.len(), 1);
        assert_eq!((found["eth0"].rx_bytes, found["eth0"].tx_dropped), (10, 7));
    }

    #[test]
    fn the_host_has_cpus_and_memory() {
        let (usage, cpus) = system_cpu();
        assert!(usage > 0 && cpus > 0 && host_memory_bytes() > 0);
    }
}
