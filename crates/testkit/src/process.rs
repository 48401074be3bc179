//! Processes as `/proc` shows them, and ending them by pid.

use std::{fs, path::Path};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// Its arguments, joined by blanks.
    pub command: String,
}

/// Every process that `is_ours` accepts, zombies left out. It sees the command line (arguments
/// joined by blanks) and the text of `/proc/PID/cgroup`.
#[must_use]
pub fn find(is_ours: impl Fn(&str, &str) -> bool) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<_> = pids
        .filter_map(|pid: i32| {
            let dir = format!("/proc/{pid}");
            let command = fs::read(format!("{dir}/cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
            let cgroup = fs::read_to_string(format!("{dir}/cgroup")).unwrap_or_default();
            (is_ours(&command, &cgroup) && !is_zombie(pid)).then_some(Process { pid, command })
        })
        .collect();
    found.sort();
    found
}

/// Whether a process runs (a zombie does not).
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists() && !is_zombie(pid)
}

fn is_zombie(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Sends a signal; a process that is gone is no error.
pub fn signal(pid: i32, signal: Signal) {
    let Some(pid) = Pid::from_raw(pid) else { return };
    if let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) {
        // The only failure is that it has ended since, which is what was wanted.
        pidfd_send_signal(fd, signal).ok();
    }
}
