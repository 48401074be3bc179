//! What may be mounted at and below a container's `/proc`.
//!
//! Programs, those of the runtime's own kind in the container among them, take what `/proc` says
//! for the kernel's word: a volume there could forge it, or show again what is masked. Only a
//! procfs may be there, and files in place of those that lxcfs and its kind bring (as with runc).

use std::os::fd::BorrowedFd;

use crate::{error::RuntimeError, mount_plan::PlannedMount, parent::PROC_MAGIC};

/// Files that are known to be replaced by ones that tell the container's own figures.
const REPLACEABLE: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Refuses `mount` (attached nowhere yet, its content is `content`) at `target` if that is or
/// covers the kernel's word. What counts is where the destination leads, not how it is spelled.
pub(crate) fn check(
    mount: &PlannedMount,
    content: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
) -> Result<(), RuntimeError> {
    let destination = mount.destination.trim_end_matches('/');
    let is_proc = |fd| -> Result<bool, RuntimeError> {
        let stat = rustix::fs::fstatfs(fd).map_err(mount.fail("look at"))?;
        Ok(stat.f_type as i64 == PROC_MAGIC)
    };
    let refused =
        |reason: &'static str| Err(RuntimeError::field("mounts.destination", destination, reason));
    if destination == "/proc" {
        return match is_proc(content)? {
            true => Ok(()),
            false => refused("cannot be mounted because it is not of type proc"),
        };
    }
    if is_proc(target)? && !REPLACEABLE.contains(&destination) {
        return refused("cannot be mounted because it is inside /proc");
    }
    Ok(())
}
