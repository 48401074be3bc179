//! `seccomp(2)`: loading a filter program.

use std::io;

/// Bytes of one `struct sock_filter`.
pub const INSTRUCTION_BYTES: usize = 8;

/// Makes the call return a descriptor that is asked about calls.
const NEW_LISTENER: u64 = 8;

/// Installs `program`, an array of `struct sock_filter` in native byte order, for the calling
/// thread and all that descends from it. `flags` are `SECCOMP_FILTER_FLAG_*` that do not make the
/// call return a descriptor.
///
/// # Errors
/// `EINVAL` for a program that is empty, too long, or not a multiple of [`INSTRUCTION_BYTES`];
/// otherwise `seccomp`'s.
pub fn load(program: &[u8], flags: u64) -> io::Result<()> {
    match install(program, flags & !NEW_LISTENER)? {
        0 => Ok(()),
        // SECCOMP_FILTER_FLAG_TSYNC reports a thread that could not be synchronised.
        _ => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

/// As [`load`]; returns the number of the listener (close-on-exec). From here on the filter is in
/// force: closing the descriptor is a system call like others, so it comes as a number.
///
/// # Errors
/// As for [`load`].
pub fn load_with_listener(program: &[u8], flags: u64) -> io::Result<i32> {
    let result = install(program, flags | NEW_LISTENER)?;
    i32::try_from(result).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))
}

fn install(program: &[u8], flags: u64) -> io::Result<i64> {
    let count = program.len() / INSTRUCTION_BYTES;
    if count == 0 || !program.len().is_multiple_of(INSTRUCTION_BYTES) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let len = u16::try_from(count).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let mut filter: Vec<libc::sock_filter> = program
        .chunks_exact(INSTRUCTION_BYTES)
        .map(|c| libc::sock_filter {
            code: u16::from_ne_bytes([c[0], c[1]]),
            jt: c[2],
            jf: c[3],
            k: u32::from_ne_bytes([c[4], c[5], c[6], c[7]]),
        })
        .collect();
    let prog = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: `prog` points to `len` instructions that outlive the call; the kernel copies and
    // verifies them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            std::ptr::from_ref(&prog),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
