//! How much of what was written to a socket its peer has not taken yet (`tcp(7)`, `unix(7)`).

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Returns the bytes that were written and not yet read (unix) or acknowledged (TCP).
///
/// # Errors
/// The descriptor is no socket (`ENOTTY`) or does not support the request.
pub fn unsent_bytes(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ writes one c_int through the pointer, which outlives the call; the
    // descriptor is open for as long as the borrow.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

    #[test]
    fn the_queue_empties_when_the_peer_reads() {
        let (mut left, mut right) = UnixStream::pair().unwrap();
        assert_eq!(unsent_bytes(left.as_fd()).unwrap(), 0);
        left.write_all(b"hello").unwrap();
        assert_ne!(unsent_bytes(left.as_fd()).unwrap(), 0);
        right.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(unsent_bytes(left.as_fd()).unwrap(), 0);
    }
}
