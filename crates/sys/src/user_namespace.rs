//! User namespaces for their id mappings alone, as id-mapped mounts want them.
//!
//! A namespace is made by a child that is born into it, gets its mappings and is killed; the
//! descriptor keeps the namespace. Meant for single-threaded callers, see [`crate::clone`].

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::process::{Signal, WaitId, WaitIdOptions};

use crate::clone::{Birth, Child, spawn};

/// Makes one with these mappings, in the form of `uid_map` and `gid_map`.
///
/// # Errors
/// When it cannot be made or the mappings are refused.
pub fn make(uid_map: &str, gid_map: &str) -> io::Result<OwnedFd> {
    let birth = Birth { flags: libc::CLONE_NEWUSER as u64, cgroup: None };
    let child = spawn(birth, wait_for_the_end)?;
    let made = describe(&child, uid_map, gid_map);
    let ended = end(&child);
    made.and_then(|namespace| ended.map(|()| namespace))
}

/// The child: nothing, and it does not outlive its maker.
fn wait_for_the_end() -> u8 {
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        return 1;
    }
    loop {
        // SAFETY: no memory is involved.
        unsafe { libc::pause() };
    }
}

fn describe(child: &Child, uid_map: &str, gid_map: &str) -> io::Result<OwnedFd> {
    let path = |name| format!("/proc/{}/{name}", child.pid);
    fs::write(path("uid_map"), uid_map)?;
    fs::write(path("gid_map"), gid_map)?;
    File::open(path("ns/user")).map(OwnedFd::from)
}

fn end(child: &Child) -> io::Result<()> {
    rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL)?;
    rustix::io::retry_on_intr(|| {
        rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)
    })?;
    Ok(())
}
