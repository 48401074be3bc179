//! Sending signals by number, the real-time ones included.

use std::io;

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
