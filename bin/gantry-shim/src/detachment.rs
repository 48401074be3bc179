//! Leaving the engine's session: the shim must outlive it and hold nothing of it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd, RawFd},
};

use rustix::{
    fs::{Mode, OFlags, open},
    process::{Pid, getpid, set_child_subreaper, setsid},
};

/// Takes the engine's connection and closes every other descriptor that was inherited.
///
/// # Errors
/// When `connection` is not open.
pub fn keep_only(connection: Option<RawFd>) -> io::Result<Option<OwnedFd>> {
    let kept = connection.map(sys::descriptor::duplicate).transpose()?;
    sys::descriptor::close_inherited(kept)
}

/// Becomes a session of its own, the parent of every orphan below it, at `/`, with nothing on the
/// standard streams. The engine's connection must have been taken before.
///
/// # Errors
/// The kernel's; a process that leads its group already (started from a shell) stays in its
/// session.
pub fn detach() -> io::Result<()> {
    match setsid() {
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    sys::signal::reset_thread_signals()?;
    // Any pid means "on".
    set_child_subreaper(Some(getpid()))?;
    rustix::process::chdir("/")?;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    rustix::stdio::dup2_stderr(null.as_fd())?;
    Ok(())
}

/// The pid in the form that messages have.
#[must_use]
pub fn own_pid() -> i32 {
    Pid::as_raw(Some(getpid()))
}
