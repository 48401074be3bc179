//! Sockets that systemd opened for this process (`sd_listen_fds(3)`).

use std::{
    env, io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
};

const FIRST: RawFd = 3;
const MOST: RawFd = 64;

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the inherited sockets, in the order of the unit's lines; descriptor 3 is the first.
///
/// Empty if there are none, if they are meant for another process, or at a second call. Must be
/// called before the process opens descriptors of its own.
///
/// # Errors
/// A descriptor that was announced is not open, or `LISTEN_FDS` is not a small number.
pub fn take_sockets() -> io::Result<Vec<OwnedFd>> {
    let is_meant = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if !is_meant || IS_TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let count = env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<RawFd>().ok());
    let count = count
        .filter(|count| (0..=MOST).contains(count))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "LISTEN_FDS is no number"))?;
    (FIRST..FIRST + count).map(take).collect()
}

fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl with F_SETFD has no memory effects; an unopened number is an error.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open (checked above), systemd opened it for this process, and
    // `IS_TAKEN` lets it be taken only once, so this is its only owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
