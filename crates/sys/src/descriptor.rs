//! Descriptors by number, for programs that inherit them.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// Duplicates the descriptor with the number `raw` to a number above the standard streams,
/// close-on-exec. The original stays open.
///
/// # Errors
/// `EBADF` when no such descriptor is open.
pub fn duplicate(raw: RawFd) -> io::Result<OwnedFd> {
    const FIRST_FREE: i32 = 3;
    // SAFETY: a number and integers; an invalid number is refused by the kernel.
    let result = unsafe { libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, FIRST_FREE) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made this descriptor for us just now; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

/// Whether the descriptor with the number `raw` is open and stays open in what is executed: one
/// that a caller left to this program, not one that it opened itself.
#[must_use]
pub fn is_inheritable(raw: RawFd) -> bool {
    // SAFETY: a number and an integer; an invalid number is refused by the kernel.
    let flags = unsafe { libc::fcntl(raw, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Moves `keep` to the descriptors from 3 up, in order, and closes every other one above the
/// standard streams: what a program inherited by accident.
///
/// To be called first thing in `main`, before anything else is opened: it takes the descriptors
/// away from whatever owns them.
///
/// # Errors
/// `fcntl`'s, `dup3`'s and `close_range`'s.
pub fn close_inherited(keep: Vec<OwnedFd>) -> io::Result<Vec<OwnedFd>> {
    const FIRST: RawFd = 3;
    let too_many = |_| io::Error::from_raw_os_error(libc::EMFILE);
    let end = FIRST + RawFd::try_from(keep.len()).map_err(too_many)?;
    // Out of the way first, so that no one is overwritten by another's move.
    let keep = keep.into_iter().map(|fd| above(end, fd)).collect::<io::Result<Vec<_>>>()?;
    let moved = (FIRST..).zip(keep).map(|(target, fd)| move_to(fd, target));
    let kept = moved.collect::<io::Result<Vec<_>>>()?;
    // SAFETY: integers only. By contract nothing in this program owns a descriptor from `end` up.
    let result = unsafe { libc::syscall(libc::SYS_close_range, end, u32::MAX, 0) };
    if result == 0 { Ok(kept) } else { Err(io::Error::last_os_error()) }
}

/// The same file at a number from `first` up.
fn above(first: RawFd, fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() >= first {
        return Ok(fd);
    }
    // SAFETY: a descriptor that we own and integers.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, first) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made this descriptor for us just now; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

fn move_to(fd: OwnedFd, target: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: integers only; what was open at `target` was inherited and has no owner here.
    if unsafe { libc::dup3(fd.as_raw_fd(), target, libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: dup3 has just made it; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(target) })
}

/// Makes reads and writes return `EAGAIN` instead of waiting.
///
/// # Errors
/// `ioctl`'s.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut enabled: libc::c_int = 1;
    // SAFETY: FIONBIO reads one int through the pointer, which is valid for the call.
    let result =
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, std::ptr::from_mut(&mut enabled)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
