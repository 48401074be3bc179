//! Leaving the engine's session: the shim must outlive it and hold nothing of it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd, RawFd},
};

use crate::arguments::Arguments;
use rustix::{
    fs::{Mode, OFlags, open},
    process::{Pid, getpid, set_child_subreaper, setsid},
};

/// What the engine hands over at the start.
#[derive(Debug)]
pub struct Inheritance {
    /// A connection to the engine.
    pub connection: Option<OwnedFd>,
    /// The shim's directory.
    pub directory: Option<OwnedFd>,
}

/// Takes what was handed over by number and closes every other descriptor that was inherited.
///
/// # Errors
/// When one of them is not open.
pub fn keep_only(arguments: &Arguments) -> io::Result<Inheritance> {
    let take = |number: Option<RawFd>| number.map(sys::descriptor::duplicate).transpose();
    let (connection, directory) = (take(arguments.connection)?, take(arguments.dir_handle)?);
    let has = (connection.is_some(), directory.is_some());
    let kept = [connection, directory].into_iter().flatten().collect();
    let mut kept = sys::descriptor::close_inherited(kept)?.into_iter();
    let connection = if has.0 { kept.next() } else { None };
    let directory = if has.1 { kept.next() } else { None };
    Ok(Inheritance { connection, directory })
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
