//! Sending signals by number, the real-time ones included.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// Sends a signal to one process (never to a group: `pid` must be positive).
///
/// # Errors
/// `ESRCH` when there is none or `pid` is not positive, `EINVAL` for numbers that are no signals.
pub fn send(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    if signal <= 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: plain integers.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to every process of the group that `leader` leads.
///
/// # Errors
/// As [`send`].
pub fn send_to_group(leader: i32, signal: i32) -> io::Result<()> {
    if leader <= 1 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    if signal <= 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: plain integers.
    if unsafe { libc::kill(-leader, signal) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Every signal blocked, to be waited for one by one. For programs without threads.
pub struct Blocked(libc::sigset_t);

impl Blocked {
    /// Blocks all signals that can be blocked, for the calling thread.
    ///
    /// # Errors
    /// `sigprocmask`'s.
    pub fn all() -> io::Result<Self> {
        // SAFETY: the set is initialised by sigfillset before it is read.
        unsafe {
            let mut set = std::mem::zeroed::<libc::sigset_t>();
            libc::sigfillset(&mut set);
            match libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut()) {
                0 => Ok(Self(set)),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// Waits for the next signal; its number.
    ///
    /// # Errors
    /// `sigwaitinfo`'s, but for interruptions.
    pub fn wait(&self) -> io::Result<i32> {
        loop {
            // SAFETY: the set is initialised; no information but the number is asked for.
            let signal = unsafe { libc::sigwaitinfo(&self.0, std::ptr::null_mut()) };
            if signal > 0 {
                return Ok(signal);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Blocked {
    /// A non-blocking descriptor that is readable when a signal is pending, see [`next_pending`].
    ///
    /// # Errors
    /// `signalfd`'s.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        // SAFETY: the set is initialised and outlives the call.
        let result = unsafe { libc::signalfd(-1, &self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel made this descriptor for us just now; nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(result) })
    }
}

/// Takes the next signal from a descriptor of [`Blocked::descriptor`]; `None`: none is pending.
///
/// # Errors
/// `read`'s.
pub fn next_pending(descriptor: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let mut information = [0_u8; std::mem::size_of::<libc::signalfd_siginfo>()];
    // SAFETY: the buffer is writable, lives across the call, and its length is passed.
    let count = unsafe {
        libc::read(descriptor.as_raw_fd(), information.as_mut_ptr().cast(), information.len())
    };
    if count < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(error),
        };
    }
    // The structure begins with the number.
    let [a, b, c, d, ..] = information;
    i32::try_from(u32::from_ne_bytes([a, b, c, d]))
        .map(Some)
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Sets the two signals that glibc keeps for its threads (32 and 33) to their default action.
///
/// `posix_spawn` leaves them ignored in its child, and what is ignored stays ignored across
/// `execve`, in every process of a container. Only for programs without threads: glibc itself
/// would not let one do this.
///
/// # Errors
/// `rt_sigaction`'s.
pub fn reset_thread_signals() -> io::Result<()> {
    const THREAD_SIGNALS: [i32; 2] = [32, 33];
    const MASK_BYTES: usize = 8;
    for signal in THREAD_SIGNALS {
        // Handler, flags, restorer and mask of the kernel's structure: zero is the default action.
        let action = [0_u64; 4];
        // SAFETY: the kernel reads at most 32 bytes through the pointer, which lives across the
        // call; no old action is asked for.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                action.as_ptr(),
                std::ptr::null_mut::<u64>(),
                MASK_BYTES,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
