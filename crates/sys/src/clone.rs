//! `clone3(2)` as a fork straight into new namespaces.
//!
//! The child continues in a copy of the parent's memory, like after `fork`. Meant for
//! single-threaded callers: in a program with threads, a lock (the allocator's, stdio's) that
//! another thread held at the moment of the clone stays locked in the child for ever.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    panic::AssertUnwindSafe,
};

/// `CLONE_INTO_CGROUP`; not in `libc` for every target.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What the child is born into.
#[derive(Debug, Clone, Copy, Default)]
pub struct Birth<'a> {
    /// `CLONE_NEW*` flags (and `CLONE_PARENT`, if wanted).
    pub flags: u64,
    /// A directory of a cgroup v2 hierarchy that the child starts in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// A process that [`spawn`] made.
#[derive(Debug)]
pub struct Child {
    /// In the caller's pid namespace.
    pub pid: i32,
    /// Refers to the process whatever happens to its number.
    pub pidfd: OwnedFd,
}

/// Clones the calling process; the child runs `body` and ends with the code that it returns.
///
/// A panic in `body` ends the child with code 101; nothing of the parent's stack runs in it.
///
/// # Errors
/// `clone3`'s.
pub fn spawn(birth: Birth<'_>, body: impl FnOnce() -> u8) -> io::Result<Child> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: `clone_args` is plain old data for which all-zero is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = birth.flags | libc::CLONE_PIDFD as u64;
    args.pidfd = std::ptr::from_mut(&mut pidfd) as u64;
    if birth.flags & libc::CLONE_PARENT as u64 == 0 {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    if let Some(cgroup) = birth.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM and without a new stack this is a fork: the child has its own
    // copy of all memory and returns from this very call. `args` lives across the call and has
    // the size that is passed; `pidfd` is written by the kernel in the parent only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_mut(&mut args),
            std::mem::size_of::<libc::clone_args>(),
        )
    };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = std::panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
            crate::process::exit_now(code)
        }
        pid => Ok(Child {
            pid: i32::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?,
            // SAFETY: the kernel wrote a fresh descriptor that nobody else owns.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}
