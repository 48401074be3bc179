//! Limits on v1 hierarchies.

use std::path::Path;

use oci::runtime::{BlockIo, Cpu, DeviceRule, LinuxResources, Memory, ThrottleDevice};

use super::{Cgroup, CgroupError, Result, device, value};

/// Sets what `resources` has. A limit whose controller is missing is an error; a request that
/// changes nothing is none.
pub(super) fn apply(cgroup: &Cgroup, resources: &LinuxResources) -> Result<()> {
    if !resources.unified.is_empty() {
        return Err(CgroupError::Controller { controller: "unified (cgroup v2)" });
    }
    if !resources.devices.is_empty() {
        apply_devices(&cgroup.controller("devices")?.directory, &resources.devices)?;
    }
    if let Some(memory) = resources.memory.as_ref().filter(|m| **m != Memory::default()) {
        apply_memory(&cgroup.controller("memory")?.directory, memory)?;
    }
    if let Some(cpu) = &resources.cpu {
        apply_cpu(cgroup, cpu)?;
    }
    if let Some(pids) = &resources.pids {
        let limit = if pids.limit > 0 { pids.limit.to_string() } else { "max".to_owned() };
        value::set(&cgroup.controller("pids")?.directory, "pids.max", &limit)?;
    }
    if let Some(block_io) = resources.block_io.as_ref().filter(|b| **b != BlockIo::default()) {
        apply_block_io(&cgroup.controller("blkio")?.directory, block_io)?;
    }
    for limit in &resources.hugepage_limits {
        let part = cgroup.controller("hugetlb")?;
        let file = format!("hugetlb.{}.limit_in_bytes", limit.page_size);
        let file = if part.hierarchy.is_unified() {
            format!("hugetlb.{}.max", limit.page_size)
        } else {
            file
        };
        value::set(&part.directory, &file, &limit.limit.to_string())?;
    }
    Ok(())
}

/// A new cpuset has no CPUs and no memory nodes: nothing can be put into it. Each level takes its
/// parent's.
pub(super) fn inherit_cpuset(root: &Path, directory: &Path) -> Result<()> {
    if directory == root {
        return Ok(());
    }
    let Some(parent) = directory.parent() else { return Ok(()) };
    let is_empty = |file| value::text(directory, file).map(|t| t.trim().is_empty());
    if !is_empty("cpuset.cpus")? && !is_empty("cpuset.mems")? {
        return Ok(());
    }
    inherit_cpuset(root, parent)?;
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if is_empty(file)? {
            value::set(directory, file, value::text(parent, file)?.trim())?;
        }
    }
    Ok(())
}

fn apply_devices(directory: &Path, rules: &[DeviceRule]) -> Result<()> {
    for rule in rules {
        let (file, text) = device::v1_entry(rule)?;
        value::set(directory, file, &text)?;
    }
    Ok(())
}

/// The limit of memory must never exceed that of memory and swap, so the order of the two writes
/// depends on which way they go.
fn apply_memory(directory: &Path, memory: &Memory) -> Result<()> {
    let set = |file, limit: i64| value::set(directory, file, &limit.to_string());
    let (limit, swap) = (memory.limit, memory.swap.filter(|s| *s != 0));
    if let (Some(limit), Some(true)) = (limit, memory.check_before_update) {
        let usage = value::number(directory, "memory.usage_in_bytes")?;
        if limit > 0 && usage > limit.unsigned_abs() {
            return Err(CgroupError::Value {
                field: "memory.limit (below the current usage)",
                value: limit.to_string(),
            });
        }
    }
    let has_swap = directory.join(SWAP_LIMIT).exists();
    if swap.is_some_and(|s| s > 0) && !has_swap {
        return Err(CgroupError::Controller { controller: "memory+swap" });
    }
    match (limit.filter(|l| *l != 0), swap.filter(|_| has_swap)) {
        (Some(limit), Some(swap)) => {
            let current = value::number(directory, SWAP_LIMIT)?;
            let is_swap_first = swap == -1 || swap.unsigned_abs() > current;
            if is_swap_first {
                set(SWAP_LIMIT, swap)?;
                set("memory.limit_in_bytes", limit)?;
            } else {
                set("memory.limit_in_bytes", limit)?;
                set(SWAP_LIMIT, swap)?;
            }
        }
        (Some(limit), None) => {
            // No limit of memory alone is possible while memory and swap are limited.
            if limit == -1 && has_swap {
                set(SWAP_LIMIT, -1)?;
            }
            set("memory.limit_in_bytes", limit)?;
        }
        (None, Some(swap)) => set(SWAP_LIMIT, swap)?,
        (None, None) => {}
    }
    if let Some(reservation) = memory.reservation.filter(|r| *r != 0) {
        set("memory.soft_limit_in_bytes", reservation)?;
    }
    if let Some(swappiness) = memory.swappiness.filter(|s| *s <= 100) {
        value::set(directory, "memory.swappiness", &swappiness.to_string())?;
    } else if let Some(bad) = memory.swappiness.filter(|s| *s != u64::MAX) {
        return Err(CgroupError::Value { field: "memory.swappiness", value: bad.to_string() });
    }
    if let Some(limit) = memory.kernel_tcp.filter(|l| *l != 0) {
        set("memory.kmem.tcp.limit_in_bytes", limit)?;
    }
    if let Some(is_disabled) = memory.disable_oom_killer {
        let word = if is_disabled { "1" } else { "0" };
        let wanted = format!("oom_kill_disable {word}");
        let current = value::text(directory, "memory.oom_control")?;
        if !current.lines().any(|line| line == wanted) {
            value::set(directory, "memory.oom_control", word)?;
        }
    }
    Ok(())
}

const SWAP_LIMIT: &str = "memory.memsw.limit_in_bytes";

fn apply_cpu(cgroup: &Cgroup, cpu: &Cpu) -> Result<()> {
    let has_cpu = cpu.shares.is_some()
        || cpu.quota.is_some()
        || cpu.period.is_some()
        || cpu.burst.is_some()
        || cpu.idle.is_some()
        || cpu.realtime_period.is_some()
        || cpu.realtime_runtime.is_some();
    if has_cpu {
        apply_cpu_time(&cgroup.controller("cpu")?.directory, cpu)?;
    }
    let lists = [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)];
    for (file, list) in lists {
        if let Some(list) = list.as_deref().filter(|l| !l.is_empty()) {
            value::set(&cgroup.controller("cpuset")?.directory, file, list)?;
        }
    }
    Ok(())
}

fn apply_cpu_time(directory: &Path, cpu: &Cpu) -> Result<()> {
    let set = |file, text: String| value::set(directory, file, &text);
    if let Some(idle) = cpu.idle {
        set("cpu.idle", idle.to_string())?;
    }
    if let Some(shares) = cpu.shares.filter(|s| *s != 0) {
        // The kernel clamps silently; a value that is not taken must not look as if it were.
        if !(2..=262_144).contains(&shares) {
            return Err(CgroupError::Value { field: "cpu.shares", value: shares.to_string() });
        }
        set("cpu.shares", shares.to_string())?;
    }
    if let Some(period) = cpu.realtime_period.filter(|p| *p != 0) {
        set("cpu.rt_period_us", period.to_string())?;
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|r| *r != 0) {
        set("cpu.rt_runtime_us", runtime.to_string())?;
    }
    let period = cpu.period.filter(|p| *p != 0);
    let quota = cpu.quota.filter(|q| *q != 0);
    // A new period with the old quota may exceed what the parent allows, and the other way
    // round: the quota is lifted meanwhile.
    if let (Some(_), Some(_)) = (period, quota) {
        set("cpu.cfs_quota_us", "-1".to_owned())?;
    }
    if let Some(period) = period {
        set("cpu.cfs_period_us", period.to_string())?;
    }
    if let Some(quota) = quota {
        set("cpu.cfs_quota_us", quota.to_string())?;
    }
    if let Some(burst) = cpu.burst {
        set("cpu.cfs_burst_us", burst.to_string())?;
    }
    Ok(())
}

fn apply_block_io(directory: &Path, block_io: &BlockIo) -> Result<()> {
    if let Some(weight) = block_io.weight.filter(|w| *w != 0) {
        set_weight(directory, "weight", &weight.to_string())?;
    }
    if let Some(weight) = block_io.leaf_weight.filter(|w| *w != 0) {
        set_weight(directory, "leaf_weight", &weight.to_string())?;
    }
    for device in &block_io.weight_device {
        let entry = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        if let Some(weight) = device.weight {
            set_weight(directory, "weight_device", &entry(weight))?;
        }
        if let Some(weight) = device.leaf_weight {
            set_weight(directory, "leaf_weight_device", &entry(weight))?;
        }
    }
    let throttles: [(&str, &[ThrottleDevice]); 4] = [
        ("blkio.throttle.read_bps_device", &block_io.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &block_io.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &block_io.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &block_io.throttle_write_iops_device),
    ];
    for (file, devices) in throttles {
        for device in devices {
            let entry = format!("{}:{} {}", device.major, device.minor, device.rate);
            value::set(directory, file, &entry)?;
        }
    }
    Ok(())
}

/// The weights belong to the BFQ scheduler nowadays and to CFQ before.
fn set_weight(directory: &Path, name: &str, text: &str) -> Result<()> {
    if value::set_if_there(directory, &format!("blkio.bfq.{name}"), text)? {
        return Ok(());
    }
    value::set(directory, &format!("blkio.{name}"), text)
}
