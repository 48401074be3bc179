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

/// Moves `keep` to descriptor 3 and closes every higher one: what a program inherited by accident.
///
/// To be called first thing in `main`, before anything else is opened: it takes the descriptors
/// away from whatever owns them.
///
/// # Errors
/// `dup3`'s and `close_range`'s.
pub fn close_inherited(keep: Option<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    const KEPT: RawFd = 3;
    let (kept, first) = match keep {
        Some(fd) => (Some(move_to(fd, KEPT)?), KEPT + 1),
        None => (None, KEPT),
    };
    // SAFETY: integers only. By contract nothing in this program owns a descriptor from `first` up.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 { Ok(kept) } else { Err(io::Error::last_os_error()) }
}

fn move_to(fd: OwnedFd, target: RawFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() == target {
        return Ok(fd);
    }
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
