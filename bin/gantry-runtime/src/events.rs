//! `events`: what a container uses and how often the OOM killer came, as lines of JSON in runc's
//! form.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use runtime::cgroup::{BlockIoEntry, Stats};
use serde_json::{Value, json};

use crate::container::{Container, Status};

/// How often the counter of the OOM killer and the container's state are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Prints statistics every `period` until the container ends; once without a period.
pub fn events(root: &Path, id: &str, period: Option<Duration>) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    if container.status() == Status::Stopped {
        bail!("container with id {id} is not running");
    }
    let Some(period) = period else { return print_stats(&container) };
    let mut kills = container.cgroup.oom_kills()?;
    let mut due = Instant::now() + period;
    while container.status() != Status::Stopped {
        std::thread::sleep(LOOK.min(due.saturating_duration_since(Instant::now())));
        // The cgroup goes with the container.
        let now = container.cgroup.oom_kills().unwrap_or(kills);
        for _ in kills..now {
            print(&json!({"type": "oom", "id": id}))?;
        }
        kills = now;
        if Instant::now() >= due && container.status() != Status::Stopped {
            print_stats(&container)?;
            due += period;
        }
    }
    Ok(())
}

fn print_stats(container: &Container) -> anyhow::Result<()> {
    let stats = container.cgroup.stats()?;
    print(&json!({"type": "stats", "id": container.record.id, "data": data(&stats)}))
}

fn print(line: &Value) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write")
}

fn data(stats: &Stats) -> Value {
    let Stats { cpu, memory, pids, block_io } = stats;
    let limit = |value: u64| if value == u64::MAX { 0 } else { value };
    json!({
        "cpu": {
            "usage": {
                "total": cpu.usage_nanos,
                "percpu": cpu.per_cpu_nanos,
                "kernel": cpu.kernel_nanos,
                "user": cpu.user_nanos,
            },
            "throttling": {
                "periods": cpu.periods,
                "throttledPeriods": cpu.throttled_periods,
                "throttledTime": cpu.throttled_nanos,
            },
        },
        "memory": {
            "cache": memory.stat.get(if memory.is_v2 { "file" } else { "cache" }),
            "usage": {
                "limit": memory.limit_bytes,
                "usage": memory.usage_bytes,
                "max": memory.max_usage_bytes,
                "failcnt": memory.failures,
            },
            "raw": memory.stat,
        },
        "pids": {"current": pids.current, "limit": limit(pids.limit)},
        "blkio": {
            "ioServiceBytesRecursive": entries(&block_io.service_bytes),
            "ioServicedRecursive": entries(&block_io.serviced),
        },
    })
}

fn entries(entries: &[BlockIoEntry]) -> Vec<Value> {
    entries
        .iter()
        .map(|e| json!({"major": e.major, "minor": e.minor, "op": e.operation, "value": e.value}))
        .collect()
}
