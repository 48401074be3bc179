//! Processes of an engine: which they are and what memory they hold.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result};

/// A process as `/proc` shows it.
struct Process {
    pid: u32,
    parent: u32,
    command_line: String,
    pid_namespace: String,
}

/// The processes of the engine whose files are below `root`: those that name it on their command
/// line, and their descendants. The payload of containers is not counted: it is in another pid
/// namespace.
pub fn of_engine(root: &Path) -> Vec<u32> {
    let own = namespace("self");
    let all: Vec<_> = list().into_iter().filter(|p| p.pid_namespace == own).collect();
    let name = root.to_string_lossy();
    let mut found: BTreeSet<u32> =
        all.iter().filter(|p| p.command_line.contains(&*name)).map(|p| p.pid).collect();
    loop {
        let before = found.len();
        let children = all.iter().filter(|p| found.contains(&p.parent)).map(|p| p.pid);
        found.extend(children.collect::<Vec<_>>());
        if found.len() == before {
            found.remove(&std::process::id());
            return found.into_iter().collect();
        }
    }
}

/// Proportional set size of some processes, in KiB. One that ended meanwhile holds nothing.
///
/// # Errors
/// `smaps_rollup` of a living process has no `Pss` line.
pub fn pss_kib(pids: &[u32]) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let number = line.and_then(|rest| rest.trim().strip_suffix("kB"));
        sum += number
            .and_then(|number| number.trim().parse::<u64>().ok())
            .with_context(|| format!("no Pss in smaps_rollup of {pid}"))?;
    }
    Ok(sum)
}

/// The most memory that an engine's processes have held so far, in KiB.
pub fn peak_rss_kib(root: &Path) -> u64 {
    let peak = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    of_engine(root).into_iter().filter_map(peak).sum()
}

fn list() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

fn read(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(Process {
        pid,
        parent,
        command_line: String::from_utf8_lossy(&command_line).replace('\0', " "),
        pid_namespace: namespace(&pid.to_string()),
    })
}

fn namespace(pid: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/pid"))
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}
