//! Limits: the API's `Resources` to the runtime specification's.

use std::os::unix::fs::MetadataExt;

use engine_api::host_config::{Resources, ThrottleDevice, Ulimit};
use oci::runtime::{
    BlockIo, Cpu, DeviceRule, LinuxResources, Memory, Pids, Rlimit, ThrottleDevice as Throttle,
    WeightDevice,
};
use rustix::fs::{major, minor};

use crate::ContainerError;

/// The smallest memory limit that Docker accepts, in bytes.
const MIN_MEMORY_BYTES: i64 = 6 << 20;
/// Nanoseconds of CPU time per second and CPU.
const NANOS_PER_CPU: i64 = 1_000_000_000;
/// Period for `--cpus`, in microseconds.
const CPU_PERIOD_MICROS: i64 = 100_000;

fn invalid(text: impl Into<String>) -> ContainerError {
    ContainerError::Invalid(text.into())
}

fn number_of_cpus() -> i64 {
    std::thread::available_parallelism().map_or(1, |n| i64::try_from(n.get()).unwrap_or(1))
}

/// Checks the limits that a caller asked for; the texts are Docker's.
///
/// # Errors
/// [`ContainerError::Invalid`] names the limit.
pub fn check(resources: &Resources) -> Result<(), ContainerError> {
    check_memory(resources)?;
    check_cpu(resources)?;
    if resources.blkio_weight != 0 && !(10..=1000).contains(&resources.blkio_weight) {
        return Err(invalid("range of blkio weight is from 10 to 1000"));
    }
    for ulimit in resources.ulimits.iter().flatten() {
        rlimit(ulimit)?;
    }
    Ok(())
}

fn check_memory(resources: &Resources) -> Result<(), ContainerError> {
    let memory = resources.memory;
    if memory != 0 && memory < MIN_MEMORY_BYTES {
        return Err(invalid("Minimum memory limit allowed is 6MB"));
    }
    if memory > 0 && resources.memory_swap > 0 && resources.memory_swap < memory {
        return Err(invalid(
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ));
    }
    if memory == 0 && resources.memory_swap > 0 {
        return Err(invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ));
    }
    if resources.memory_swappiness.is_some_and(|s| s != -1 && !(0..=100).contains(&s)) {
        return Err(invalid(format!(
            "Invalid value: {}, valid memory swappiness range is 0-100",
            resources.memory_swappiness.unwrap_or_default()
        )));
    }
    let reservation = resources.memory_reservation;
    if reservation > 0 && reservation < MIN_MEMORY_BYTES {
        return Err(invalid("Minimum memory reservation allowed is 6MB"));
    }
    if memory > 0 && reservation > 0 && memory < reservation {
        return Err(invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ));
    }
    Ok(())
}

fn check_cpu(resources: &Resources) -> Result<(), ContainerError> {
    let cpus = number_of_cpus();
    if resources.nano_cpus != 0 {
        if resources.cpu_period > 0 || resources.cpu_quota > 0 {
            return Err(invalid(
                "Conflicting options: Nano CPUs and CPU Period cannot both be set",
            ));
        }
        if resources.nano_cpus < 0 || resources.nano_cpus > cpus * NANOS_PER_CPU {
            return Err(invalid(format!(
                "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
            )));
        }
    }
    if resources.cpu_shares < 0 {
        return Err(invalid(format!(
            "invalid CPU shares ({}): value must be a positive integer",
            resources.cpu_shares
        )));
    }
    if resources.cpu_period != 0 && !(1000..=1_000_000).contains(&resources.cpu_period) {
        return Err(invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ));
    }
    if resources.cpu_quota > 0 && resources.cpu_quota < 1000 {
        return Err(invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)"));
    }
    check_cpu_list(
        &resources.cpuset_cpus,
        "cpuset cpus",
        "Requested CPUs are not available - requested",
    )?;
    check_cpu_list(&resources.cpuset_mems, "cpuset mems", "")
}

fn check_cpu_list(text: &str, what: &str, unavailable: &str) -> Result<(), ContainerError> {
    if text.is_empty() {
        return Ok(());
    }
    let malformed = || invalid(format!("Invalid value {text} for {what}"));
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: i64 = first.trim().parse().map_err(|_| malformed())?;
        let last: i64 = last.trim().parse().map_err(|_| malformed())?;
        if first > last || first < 0 {
            return Err(malformed());
        }
        let cpus = number_of_cpus();
        if !unavailable.is_empty() && last >= cpus {
            return Err(invalid(format!("{unavailable} {text}, available: 0-{}", cpus - 1)));
        }
    }
    Ok(())
}

fn positive(value: i64) -> Option<u64> {
    u64::try_from(value).ok().filter(|v| *v > 0)
}

/// The limits of a new container, or of `update`; unset ones are absent.
///
/// # Errors
/// [`ContainerError::Invalid`] when a device of a block I/O limit does not exist.
pub fn limits(
    resources: &Resources,
    devices: Vec<DeviceRule>,
) -> Result<LinuxResources, ContainerError> {
    Ok(LinuxResources {
        devices,
        memory: memory(resources),
        cpu: cpu(resources),
        // 0 takes a limit away.
        pids: resources.pids_limit.map(|limit| Pids { limit: if limit > 0 { limit } else { -1 } }),
        block_io: block_io(resources)?,
        ..LinuxResources::default()
    })
}

fn memory(resources: &Resources) -> Option<Memory> {
    let set = |value: i64| (value != 0).then_some(value);
    let limit = set(resources.memory);
    // Docker: memory without memory-swap means as much swap again.
    let swap = match (limit, resources.memory_swap) {
        (Some(limit), 0) if limit > 0 => Some(limit.saturating_mul(2)),
        (_, swap) => set(swap),
    };
    let memory = Memory {
        limit,
        swap,
        reservation: set(resources.memory_reservation),
        swappiness: resources.memory_swappiness.and_then(|s| u64::try_from(s).ok()),
        disable_oom_killer: resources.oom_kill_disable.filter(|disabled| *disabled),
        ..Memory::default()
    };
    (memory != Memory::default()).then_some(memory)
}

fn cpu(resources: &Resources) -> Option<Cpu> {
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let (quota, period) = if resources.nano_cpus > 0 {
        let quota = resources.nano_cpus / (NANOS_PER_CPU / CPU_PERIOD_MICROS);
        (Some(quota), positive(CPU_PERIOD_MICROS))
    } else {
        ((resources.cpu_quota != 0).then_some(resources.cpu_quota), positive(resources.cpu_period))
    };
    let cpu = Cpu {
        shares: positive(resources.cpu_shares),
        quota,
        period,
        realtime_runtime: (resources.cpu_realtime_runtime != 0)
            .then_some(resources.cpu_realtime_runtime),
        realtime_period: positive(resources.cpu_realtime_period),
        cpus: text(&resources.cpuset_cpus),
        mems: text(&resources.cpuset_mems),
        ..Cpu::default()
    };
    (cpu != Cpu::default()).then_some(cpu)
}

fn device_numbers(path: &str) -> Result<(i64, i64), ContainerError> {
    let meta = std::fs::metadata(path)
        .map_err(|error| invalid(format!("cannot use device {path}: {error}")))?;
    Ok((i64::from(major(meta.rdev())), i64::from(minor(meta.rdev()))))
}

fn throttles(devices: Option<&Vec<ThrottleDevice>>) -> Result<Vec<Throttle>, ContainerError> {
    devices
        .into_iter()
        .flatten()
        .map(|device| {
            let (major, minor) = device_numbers(&device.path)?;
            Ok(Throttle { major, minor, rate: device.rate })
        })
        .collect()
}

fn block_io(resources: &Resources) -> Result<Option<BlockIo>, ContainerError> {
    let weights = resources.blkio_weight_device.iter().flatten().map(|device| {
        let (major, minor) = device_numbers(&device.path)?;
        Ok(WeightDevice { major, minor, weight: Some(device.weight), leaf_weight: None })
    });
    let block_io = BlockIo {
        weight: Some(resources.blkio_weight).filter(|weight| *weight != 0),
        leaf_weight: None,
        weight_device: weights.collect::<Result<_, ContainerError>>()?,
        throttle_read_bps_device: throttles(resources.blkio_device_read_bps.as_ref())?,
        throttle_write_bps_device: throttles(resources.blkio_device_write_bps.as_ref())?,
        throttle_read_iops_device: throttles(resources.blkio_device_read_iops.as_ref())?,
        throttle_write_iops_device: throttles(resources.blkio_device_write_iops.as_ref())?,
    };
    Ok((block_io != BlockIo::default()).then_some(block_io))
}

/// `nofile` and so on; -1 is no limit.
///
/// # Errors
/// [`ContainerError::Invalid`] for an unknown name, or a soft limit above the hard one.
pub fn rlimit(ulimit: &Ulimit) -> Result<Rlimit, ContainerError> {
    const NAMES: &[&str] = &[
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
        "as",
    ];
    if !NAMES.contains(&ulimit.name.as_str()) {
        return Err(invalid(format!("invalid ulimit type: {}", ulimit.name)));
    }
    let bound = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
    let (soft, hard) = (bound(ulimit.soft), bound(ulimit.hard));
    if soft > hard {
        return Err(invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {} > {}",
            ulimit.soft, ulimit.hard
        )));
    }
    Ok(Rlimit { kind: format!("RLIMIT_{}", ulimit.name.to_ascii_uppercase()), hard, soft })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_follows_memory() {
        let resources = Resources { memory: 64 << 20, ..Resources::default() };
        assert_eq!(memory(&resources).unwrap().swap, Some(128 << 20));
        let unlimited = Resources { memory_swap: -1, ..resources };
        assert_eq!(memory(&unlimited).unwrap().swap, Some(-1));
        assert_eq!(memory(&Resources::default()), None);
    }

    #[test]
    fn cpus_become_quota_and_period() {
        let half = Resources { nano_cpus: 500_000_000, ..Resources::default() };
        let cpu = cpu(&half).unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(50_000), Some(100_000)));
    }

    #[test]
    fn impossible_limits_are_named() {
        let text = |resources: Resources| check(&resources).unwrap_err().to_string();
        assert!(text(Resources { memory: 1024, ..Resources::default() }).contains("6MB"));
        assert!(
            text(Resources { cpuset_cpus: "9999".into(), ..Resources::default() })
                .contains("Requested CPUs are not available")
        );
        assert!(
            text(Resources { cpuset_cpus: "a".into(), ..Resources::default() })
                .contains("Invalid value a for cpuset cpus")
        );
        assert!(
            text(Resources { nano_cpus: i64::MAX, ..Resources::default() })
                .contains("range of CPUs")
        );
        let wrong = Ulimit { name: "nosuch".into(), hard: 1, soft: 1 };
        assert!(rlimit(&wrong).is_err());
        assert!(rlimit(&Ulimit { name: "nofile".into(), hard: 1, soft: 2 }).is_err());
        let open = rlimit(&Ulimit { name: "nofile".into(), hard: -1, soft: 2 }).unwrap();
        assert_eq!((open.soft, open.hard), (2, u64::MAX));
    }
}
