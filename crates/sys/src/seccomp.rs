//! `seccomp(2)`: loading a filter program.

use std::io;

/// Bytes of one `struct sock_filter`.
pub const INSTRUCTION_BYTES: usize = 8;

/// Installs `program`, an array of `struct sock_filter` in native byte order, for the calling
/// thread and all that descends from it. `flags` are `SECCOMP_FILTER_FLAG_*` that do not make the
/// call return a descriptor.
///
/// # Errors
/// `EINVAL` for a program that is empty, too long, or not a multiple of [`INSTRUCTION_BYTES`];
/// otherwise `seccomp`'s.
pub fn load(program: &[u8], flags: u64) -> io::Result<()> {
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
    match result {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        // SECCOMP_FILTER_FLAG_TSYNC reports a thread that could not be synchronised.
        _ => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}
