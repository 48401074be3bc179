//! `SIGCHLD` as a descriptor, for poll loops that reap children.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// Blocks `SIGCHLD` for the calling thread and returns a non-blocking signalfd that becomes
/// readable when a child changes state. Children inherit the blocked mask across fork: who makes
/// them resets it (see `process::reset_signals`).
///
/// # Errors
/// `sigprocmask`'s and `signalfd`'s.
pub fn open() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is read, and outlives each call.
    let result = unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        if libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made this descriptor for us just now; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}
