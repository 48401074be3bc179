//! Limits on the v2 hierarchy. The configuration speaks v1; values are converted.

use std::{fs, path::Path};

use oci::runtime::{BlockIo, Cpu, LinuxResources, Memory};

use super::{Cgroup, CgroupError, Hierarchy, Result, device, value};

/// Makes the directory, with every available controller enabled down to it.
pub(super) fn make_directory(hierarchy: &Hierarchy, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|e| CgroupError::file("make", directory, e))?;
    let Ok(relative) = directory.strip_prefix(hierarchy.root()) else { return Ok(()) };
    let mut parent = hierarchy.root().to_owned();
    for name in relative.components() {
        enable_controllers(hierarchy, &parent)?;
        parent.push(name);
    }
    Ok(())
}

/// One by one: a controller that cannot be enabled here is no error until a limit needs it.
fn enable_controllers(hierarchy: &Hierarchy, directory: &Path) -> Result<()> {
    if hierarchy.controllers().is_empty() {
        return Ok(());
    }
    let enabled = value::text(directory, "cgroup.subtree_control")?;
    for controller in hierarchy.controllers() {
        if !enabled.split_whitespace().any(|c| c == controller) {
            let file = directory.join("cgroup.subtree_control");
            let _ = fs::write(file, format!("+{controller}"));
        }
    }
    Ok(())
}

/// Sets what `resources` has.
pub(super) fn apply(cgroup: &Cgroup, resources: &LinuxResources) -> Result<()> {
    let Some(part) = cgroup.unified() else { return Err(CgroupError::NoHierarchy) };
    let directory = part.directory.as_path();
    if !resources.devices.is_empty() {
        device::apply_v2(directory, &resources.devices)?;
    }
    if let Some(memory) = &resources.memory {
        apply_memory(directory, memory)?;
    }
    if let Some(cpu) = &resources.cpu {
        apply_cpu(directory, cpu)?;
    }
    if let Some(pids) = &resources.pids {
        let limit = if pids.limit > 0 { pids.limit.to_string() } else { "max".to_owned() };
        value::set(directory, "pids.max", &limit)?;
    }
    if let Some(block_io) = &resources.block_io {
        apply_io(directory, block_io)?;
    }
    for limit in &resources.hugepage_limits {
        let file = format!("hugetlb.{}.max", limit.page_size);
        value::set(directory, &file, &limit.limit.to_string())?;
    }
    for (file, text) in &resources.unified {
        if file.contains('/') || !file.contains('.') {
            return Err(CgroupError::Value { field: "unified", value: file.clone() });
        }
        value::set(directory, file, text)?;
    }
    Ok(())
}

/// v1's 2..=262144 (default 1024) onto v2's 1..=10000 (default 100), as runc does.
fn weight_of_shares(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + ((shares - 2) * 9999) / 262_142
}

/// v1's 10..=1000 onto v2's 1..=10000.
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990
}

fn limit_text(limit: i64) -> String {
    if limit < 0 { "max".to_owned() } else { limit.to_string() }
}

fn apply_memory(directory: &Path, memory: &Memory) -> Result<()> {
    if let Some(swap) = memory.swap.filter(|s| *s != 0) {
        // v2 counts swap alone.
        let text = match (swap, memory.limit) {
            (-1, _) => "max".to_owned(),
            (swap, Some(limit)) if limit > 0 && swap >= limit => (swap - limit).to_string(),
            (swap, _) => {
                return Err(CgroupError::Value { field: "memory.swap", value: swap.to_string() });
            }
        };
        if !value::set_if_there(directory, "memory.swap.max", &text)? && text != "max" {
            return Err(CgroupError::Controller { controller: "memory+swap" });
        }
    }
    if let Some(limit) = memory.limit.filter(|l| *l != 0) {
        if memory.check_before_update == Some(true) && limit > 0 {
            let usage = value::number(directory, "memory.current")?;
            if usage > limit.unsigned_abs() {
                return Err(CgroupError::Value {
                    field: "memory.limit (below the current usage)",
                    value: limit.to_string(),
                });
            }
        }
        value::set(directory, "memory.max", &limit_text(limit))?;
    }
    if let Some(reservation) = memory.reservation.filter(|r| *r != 0) {
        value::set(directory, "memory.low", &limit_text(reservation))?;
    }
    Ok(())
}

fn apply_cpu(directory: &Path, cpu: &Cpu) -> Result<()> {
    if let Some(idle) = cpu.idle {
        value::set(directory, "cpu.idle", &idle.to_string())?;
    }
    // An idle group has no weight.
    if let Some(shares) = cpu.shares.filter(|s| *s != 0 && cpu.idle != Some(1)) {
        value::set(directory, "cpu.weight", &weight_of_shares(shares).to_string())?;
    }
    let (quota, period) = (cpu.quota.filter(|q| *q != 0), cpu.period.filter(|p| *p != 0));
    if quota.is_some() || period.is_some() {
        let current = value::text(directory, "cpu.max")?;
        let mut current = current.split_whitespace();
        let old_quota = current.next().unwrap_or("max").to_owned();
        let old_period = current.next().unwrap_or("100000").to_owned();
        let quota = quota.map_or(old_quota, limit_text);
        let period = period.map_or(old_period, |p| p.to_string());
        value::set(directory, "cpu.max", &format!("{quota} {period}"))?;
    }
    if let Some(burst) = cpu.burst {
        value::set(directory, "cpu.max.burst", &burst.to_string())?;
    }
    if cpu.realtime_runtime.is_some_and(|r| r != 0) || cpu.realtime_period.is_some_and(|p| p != 0) {
        return Err(CgroupError::Controller { controller: "cpu.rt (cgroup v1)" });
    }
    for (file, list) in [("cpuset.cpus", &cpu.cpus), ("cpuset.mems", &cpu.mems)] {
        if let Some(list) = list.as_deref().filter(|l| !l.is_empty()) {
            value::set(directory, file, list)?;
        }
    }
    Ok(())
}

fn apply_io(directory: &Path, block_io: &BlockIo) -> Result<()> {
    if let Some(weight) = block_io.weight.filter(|w| *w != 0) {
        let is_bfq = value::set_if_there(directory, "io.bfq.weight", &weight.to_string())?;
        if !is_bfq {
            value::set(directory, "io.weight", &format!("default {}", io_weight(weight)))?;
        }
    }
    for device in &block_io.weight_device {
        let Some(weight) = device.weight else { continue };
        let (file, weight) = if directory.join("io.bfq.weight").exists() {
            ("io.bfq.weight", u64::from(weight))
        } else {
            ("io.weight", io_weight(weight))
        };
        value::set(directory, file, &format!("{}:{} {weight}", device.major, device.minor))?;
    }
    let throttles = [
        ("rbps", &block_io.throttle_read_bps_device),
        ("wbps", &block_io.throttle_write_bps_device),
        ("riops", &block_io.throttle_read_iops_device),
        ("wiops", &block_io.throttle_write_iops_device),
    ];
    for (key, devices) in throttles {
        for device in devices {
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            let entry = format!("{}:{} {key}={rate}", device.major, device.minor);
            value::set(directory, "io.max", &entry)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_their_ends() {
        assert_eq!(weight_of_shares(2), 1);
        assert_eq!(weight_of_shares(1024), 39);
        assert_eq!(weight_of_shares(262_144), 10_000);
        assert_eq!(io_weight(10), 1);
        assert_eq!(io_weight(1000), 10_000);
    }
}
