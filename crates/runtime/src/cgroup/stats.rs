//! What a cgroup has used.

use std::{collections::BTreeMap, path::Path};

use super::{Cgroup, Result, value};

/// All counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Tasks.
    pub pids: PidsStats,
    /// Block devices.
    pub block_io: BlockIoStats,
}

/// CPU time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Nanoseconds, of all CPUs.
    pub usage_nanos: u64,
    /// Nanoseconds in user mode.
    pub user_nanos: u64,
    /// Nanoseconds in kernel mode.
    pub kernel_nanos: u64,
    /// Nanoseconds by CPU; empty on v2, which does not tell.
    pub per_cpu_nanos: Vec<u64>,
    /// Enforcement periods that have passed.
    pub periods: u64,
    /// Of those, the ones that were throttled.
    pub throttled_periods: u64,
    /// Nanoseconds that tasks were throttled.
    pub throttled_nanos: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Now.
    pub usage_bytes: u64,
    /// Most ever; 0 where the kernel does not tell.
    pub max_usage_bytes: u64,
    /// The limit; `u64::MAX`: none (v1 writes a number near 2^63 then).
    pub limit_bytes: u64,
    /// How often the limit was hit.
    pub failures: u64,
    /// `memory.stat`, as the kernel names it.
    pub stat: BTreeMap<String, u64>,
    /// Whether the keys and files are v2's.
    pub is_v2: bool,
}

/// Tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PidsStats {
    /// Now.
    pub current: u64,
    /// The limit; `u64::MAX`: none.
    pub limit: u64,
}

/// Block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockIoStats {
    /// Bytes by device and operation.
    pub service_bytes: Vec<BlockIoEntry>,
    /// Operations by device and operation.
    pub serviced: Vec<BlockIoEntry>,
}

/// One counter of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockIoEntry {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total` (v1); `read`, `write` (v2).
    pub operation: String,
    /// Count.
    pub value: u64,
}

pub(super) fn read_v1(cgroup: &Cgroup) -> Result<Stats> {
    let mut stats = Stats::default();
    if let Some(part) = cgroup.find_controller("cpuacct") {
        let directory = &part.directory;
        stats.cpu.usage_nanos = value::number(directory, "cpuacct.usage")?;
        stats.cpu.user_nanos = value::number(directory, "cpuacct.usage_user")?;
        stats.cpu.kernel_nanos = value::number(directory, "cpuacct.usage_sys")?;
        stats.cpu.per_cpu_nanos = value::text(directory, "cpuacct.usage_percpu")?
            .split_whitespace()
            .map(value::parse)
            .collect();
    }
    if let Some(part) = cgroup.find_controller("cpu") {
        let pairs = map(&part.directory, "cpu.stat")?;
        stats.cpu.periods = get(&pairs, "nr_periods");
        stats.cpu.throttled_periods = get(&pairs, "nr_throttled");
        stats.cpu.throttled_nanos = get(&pairs, "throttled_time");
    }
    if let Some(part) = cgroup.find_controller("memory") {
        let directory = &part.directory;
        stats.memory = MemoryStats {
            usage_bytes: value::number(directory, "memory.usage_in_bytes")?,
            max_usage_bytes: value::number(directory, "memory.max_usage_in_bytes")?,
            limit_bytes: value::number(directory, "memory.limit_in_bytes")?,
            failures: value::number(directory, "memory.failcnt")?,
            stat: map(directory, "memory.stat")?,
            is_v2: false,
        };
    }
    if let Some(part) = cgroup.find_controller("pids") {
        stats.pids = read_pids(&part.directory)?;
    }
    if let Some(part) = cgroup.find_controller("blkio") {
        stats.block_io = BlockIoStats {
            service_bytes: read_blkio(&part.directory, "io_service_bytes")?,
            serviced: read_blkio(&part.directory, "io_serviced")?,
        };
    }
    Ok(stats)
}

pub(super) fn read_v2(cgroup: &Cgroup) -> Result<Stats> {
    let mut stats = Stats::default();
    let Some(part) = cgroup.unified() else { return Ok(stats) };
    let directory = &part.directory;
    let cpu = map(directory, "cpu.stat")?;
    let nanos = |key| get(&cpu, key).saturating_mul(1000);
    stats.cpu = CpuStats {
        usage_nanos: nanos("usage_usec"),
        user_nanos: nanos("user_usec"),
        kernel_nanos: nanos("system_usec"),
        per_cpu_nanos: Vec::new(),
        periods: get(&cpu, "nr_periods"),
        throttled_periods: get(&cpu, "nr_throttled"),
        throttled_nanos: nanos("throttled_usec"),
    };
    stats.memory = MemoryStats {
        usage_bytes: value::number(directory, "memory.current")?,
        max_usage_bytes: value::number(directory, "memory.peak")?,
        limit_bytes: value::number(directory, "memory.max")?,
        failures: get(&map(directory, "memory.events")?, "max"),
        stat: map(directory, "memory.stat")?,
        is_v2: true,
    };
    stats.pids = read_pids(directory)?;
    let lines = if directory.join("io.stat").exists() {
        value::text(directory, "io.stat")?
    } else {
        String::new()
    };
    stats.block_io = parse_io_stat(&lines);
    Ok(stats)
}

pub(super) fn oom_kills(cgroup: &Cgroup) -> Result<u64> {
    if cgroup.is_v2() {
        let Some(part) = cgroup.unified() else { return Ok(0) };
        return Ok(get(&map(&part.directory, "memory.events")?, "oom_kill"));
    }
    match cgroup.find_controller("memory") {
        Some(part) => Ok(get(&map(&part.directory, "memory.oom_control")?, "oom_kill")),
        None => Ok(0),
    }
}

fn map(directory: &Path, file: &str) -> Result<BTreeMap<String, u64>> {
    Ok(value::pairs(directory, file)?.into_iter().collect())
}

fn get(pairs: &BTreeMap<String, u64>, key: &str) -> u64 {
    pairs.get(key).copied().unwrap_or(0)
}

fn read_pids(directory: &Path) -> Result<PidsStats> {
    Ok(PidsStats {
        current: value::number(directory, "pids.current")?,
        limit: value::number(directory, "pids.max")?,
    })
}

/// The BFQ scheduler's counters if it has any, else those of throttling, which count for every
/// device.
fn read_blkio(directory: &Path, name: &str) -> Result<Vec<BlockIoEntry>> {
    for prefix in ["blkio.bfq", "blkio.throttle"] {
        let file = format!("{prefix}.{name}_recursive");
        if !directory.join(&file).exists() {
            continue;
        }
        let entries = parse_blkio(&value::text(directory, &file)?);
        if !entries.is_empty() {
            return Ok(entries);
        }
    }
    Ok(Vec::new())
}

fn parse_device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn parse_blkio(text: &str) -> Vec<BlockIoEntry> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (major, minor) = parse_device(words.next()?)?;
            let (operation, count) = (words.next()?.to_owned(), words.next()?);
            Some(BlockIoEntry { major, minor, operation, value: value::parse(count) })
        })
        .collect()
}

fn parse_io_stat(text: &str) -> BlockIoStats {
    let mut stats = BlockIoStats::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(parse_device) else { continue };
        for (key, count) in words.filter_map(|word| word.split_once('=')) {
            let (list, operation) = match key {
                "rbytes" => (&mut stats.service_bytes, "read"),
                "wbytes" => (&mut stats.service_bytes, "write"),
                "rios" => (&mut stats.serviced, "read"),
                "wios" => (&mut stats.serviced, "write"),
                _ => continue,
            };
            list.push(BlockIoEntry {
                major,
                minor,
                operation: operation.to_owned(),
                value: value::parse(count),
            });
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_block_io() {
        let v1 = parse_blkio("254:0 Read 4096\n254:0 Write 0\n254:0 Total 4096\nTotal 4096\n");
        assert_eq!(v1.len(), 3);
        assert_eq!((v1[0].major, v1[0].operation.as_str(), v1[0].value), (254, "Read", 4096));
        let v2 = parse_io_stat("8:16 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n");
        assert_eq!(v2.service_bytes[1].value, 20);
        assert_eq!(v2.serviced[0].operation, "read");
    }
}
