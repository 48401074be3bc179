//! Settings of the calling process that `rustix` does not wrap.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Ends the process without running destructors or `atexit` handlers.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Sets every signal to its default action and unblocks all of them.
///
/// A Rust program ignores `SIGPIPE`, and ignored signals survive `execve`.
pub fn reset_signals() {
    for signal in 1..=64 {
        if matches!(signal, libc::SIGKILL | libc::SIGSTOP | 32 | 33) {
            continue;
        }
        // SAFETY: SIG_DFL is a valid disposition for every signal number; an invalid number is
        // refused by the C library.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is initialised by sigemptyset before it is read.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

/// Reaps every child that has ended, but for `main`.
///
/// # Errors
/// `waitid`'s; having no children is none.
pub fn reap_except(main: i32) -> io::Result<()> {
    loop {
        // Left as it is first: who it is decides.
        let Some(pid) = ended_child(libc::P_ALL, 0, libc::WNOWAIT)?.filter(|pid| *pid != main)
        else {
            return Ok(());
        };
        ended_child(libc::P_PID, pid.unsigned_abs(), 0)?;
    }
}

/// The pid of a child that has ended, without waiting.
fn ended_child(kind: libc::idtype_t, id: u32, flags: i32) -> io::Result<Option<i32>> {
    // SAFETY: the structure is plain data for which zero is valid, and outlives the call. Its pid
    // is read only where the call may have set it; zero means that no child has ended.
    let (result, pid) = unsafe {
        let mut information = std::mem::zeroed::<libc::siginfo_t>();
        let options = libc::WEXITED | libc::WNOHANG | flags;
        let result = libc::waitid(kind, id, &mut information, options);
        (result, information.si_pid())
    };
    if result == 0 {
        return Ok(Some(pid).filter(|pid| *pid != 0));
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ECHILD) { Ok(None) } else { Err(error) }
}

/// Marks every descriptor from `first` up close-on-exec.
///
/// # Errors
/// `close_range`'s.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: with CLOSE_RANGE_CLOEXEC no descriptor is closed, only a flag is set.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves the process into fresh namespaces of the kinds in `flags` (`CLONE_NEW*`).
///
/// # Errors
/// `unshare`'s; `EINVAL` for flags that are not namespaces (sharing of memory or descriptors must
/// not change behind safe code's back).
pub fn unshare_namespaces(flags: i32) -> io::Result<()> {
    const NAMESPACES: i32 = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWTIME;
    if flags & !NAMESPACES != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: namespace flags alone touch neither memory nor the descriptor table.
    if unsafe { libc::unshare(flags) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves the process into the namespace behind `namespace`, which must be of `kind`
/// (`CLONE_NEW*`).
///
/// # Errors
/// `setns`'s.
pub fn join_namespace(namespace: BorrowedFd<'_>, kind: i32) -> io::Result<()> {
    // SAFETY: a descriptor and a flag; no memory is involved.
    if unsafe { libc::setns(namespace.as_raw_fd(), kind) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets the I/O priority of the process: class (1 real time, 2 best effort, 3 idle) and level.
///
/// # Errors
/// `ioprio_set`'s.
pub fn set_io_priority(class: u32, level: u32) -> io::Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    // SAFETY: plain integers.
    let result = unsafe {
        libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (class << 13) | level)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the execution domain.
///
/// # Errors
/// `personality`'s.
pub fn set_personality(persona: u64) -> io::Result<()> {
    // SAFETY: a plain integer; the domain takes effect for later system calls and exec.
    if unsafe { libc::personality(persona) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Leaves the session keyring that was inherited for a new, empty one.
///
/// # Errors
/// `keyctl`'s; a kernel without keyrings is none.
pub fn renew_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    let nameless = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for a new keyring; no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nameless) };
    if result >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ENOSYS) { Ok(()) } else { Err(error) }
}

/// Makes files from now on as this user and group, with all capabilities that are permitted. For
/// the calling thread only, which is not to be used for anything else afterwards.
///
/// # Errors
/// `EPERM` without the right to do that; what capset(2) says.
pub fn set_file_ids(uid: u32, gid: u32) -> io::Result<()> {
    use rustix::thread::{CapabilitySets, capabilities, set_capabilities};
    let own = capabilities(None)?;
    for (number, id) in [(libc::SYS_setfsgid, gid), (libc::SYS_setfsuid, uid)] {
        // SAFETY: integers only; both calls are the thread's alone. They return the old id and
        // tell no error, so the second call (with an impossible id) asks what became of the first.
        let now = unsafe {
            libc::syscall(number, id);
            libc::syscall(number, u32::MAX)
        };
        if now != i64::from(id) {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
    }
    // Leaving user 0 takes the capabilities over files out of the effective set.
    let CapabilitySets { permitted, inheritable, .. } = own;
    Ok(set_capabilities(None, CapabilitySets { effective: permitted, permitted, inheritable })?)
}

/// Sets the NUMA memory policy of the calling thread and of what it executes: mode with flags, and
/// a mask of nodes.
///
/// # Errors
/// `set_mempolicy`'s.
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> io::Result<()> {
    // The kernel takes the count to be one more than it is.
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    let mask = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: the mask has the length that is told and outlives the call, which only reads.
    let result = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Parameters of `sched_setattr(2)`, as its structure has them.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Scheduling {
    size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// For `SCHED_OTHER` and `SCHED_BATCH`.
    pub nice: i32,
    /// For `SCHED_FIFO` and `SCHED_RR`.
    pub priority: u32,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub deadline: u64,
    /// Nanoseconds, for `SCHED_DEADLINE`.
    pub period: u64,
}

/// Sets the calling thread's scheduling.
///
/// # Errors
/// `sched_setattr`'s.
pub fn set_scheduling(mut scheduling: Scheduling) -> io::Result<()> {
    scheduling.size = std::mem::size_of::<Scheduling>() as u32;
    // SAFETY: the structure is `repr(C)`, carries its own size, and outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(&scheduling), 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
