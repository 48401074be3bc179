//! `bpf(2)`: a device access program on a cgroup v2 directory.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

const BPF_PROG_LOAD: i32 = 5;
const BPF_PROG_ATTACH: i32 = 8;
const BPF_PROG_DETACH: i32 = 9;
const BPF_PROG_QUERY: i32 = 16;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;
/// The kernel accepts any shorter attribute; this covers every field used here.
const ATTRIBUTE_BYTES: usize = 128;

fn bpf(command: i32, attribute: &mut [u8; ATTRIBUTE_BYTES]) -> io::Result<i64> {
    // SAFETY: the attribute block outlives the call and its size is passed; pointers inside it
    // are set by the callers below to buffers that outlive the call too.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_mut_ptr(), ATTRIBUTE_BYTES) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn put<const N: usize>(attribute: &mut [u8; ATTRIBUTE_BYTES], at: usize, bytes: [u8; N]) {
    attribute[at..at + N].copy_from_slice(&bytes);
}

fn to_fd(number: i64) -> io::Result<OwnedFd> {
    let raw = i32::try_from(number).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    // SAFETY: the kernel just returned this fresh descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Replaces all device programs of `cgroup` by `instructions` (eBPF, native order).
///
/// The new program is attached before the old ones go, so access is never wider than either.
///
/// # Errors
/// `bpf`'s: among others `EINVAL` or `EACCES` for a program that the verifier refuses.
pub fn replace(cgroup: BorrowedFd<'_>, instructions: &[u64]) -> io::Result<()> {
    let old = attached(cgroup)?;
    let program = load(instructions)?;
    let mut attribute = [0u8; ATTRIBUTE_BYTES];
    put(&mut attribute, 0, cgroup.as_raw_fd().to_ne_bytes());
    put(&mut attribute, 4, program.as_raw_fd().to_ne_bytes());
    put(&mut attribute, 8, BPF_CGROUP_DEVICE.to_ne_bytes());
    put(&mut attribute, 12, BPF_F_ALLOW_MULTI.to_ne_bytes());
    bpf(BPF_PROG_ATTACH, &mut attribute)?;
    for id in old {
        let mut by_id = [0u8; ATTRIBUTE_BYTES];
        put(&mut by_id, 0, id.to_ne_bytes());
        let stale = to_fd(bpf(BPF_PROG_GET_FD_BY_ID, &mut by_id)?)?;
        let mut detach = [0u8; ATTRIBUTE_BYTES];
        put(&mut detach, 0, cgroup.as_raw_fd().to_ne_bytes());
        put(&mut detach, 4, stale.as_raw_fd().to_ne_bytes());
        put(&mut detach, 8, BPF_CGROUP_DEVICE.to_ne_bytes());
        bpf(BPF_PROG_DETACH, &mut detach)?;
    }
    Ok(())
}

fn load(instructions: &[u64]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let count =
        u32::try_from(instructions.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let mut attribute = [0u8; ATTRIBUTE_BYTES];
    put(&mut attribute, 0, BPF_PROG_TYPE_CGROUP_DEVICE.to_ne_bytes());
    put(&mut attribute, 4, count.to_ne_bytes());
    put(&mut attribute, 8, (instructions.as_ptr() as u64).to_ne_bytes());
    put(&mut attribute, 16, (license.as_ptr() as u64).to_ne_bytes());
    to_fd(bpf(BPF_PROG_LOAD, &mut attribute)?)
}

/// Ids of the device programs attached to `cgroup` itself.
fn attached(cgroup: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut ids = vec![0u32; 64];
    let mut attribute = [0u8; ATTRIBUTE_BYTES];
    put(&mut attribute, 0, cgroup.as_raw_fd().to_ne_bytes());
    put(&mut attribute, 4, BPF_CGROUP_DEVICE.to_ne_bytes());
    put(&mut attribute, 16, (ids.as_mut_ptr() as u64).to_ne_bytes());
    put(&mut attribute, 24, (ids.len() as u32).to_ne_bytes());
    bpf(BPF_PROG_QUERY, &mut attribute)?;
    let count = u32::from_ne_bytes([attribute[24], attribute[25], attribute[26], attribute[27]]);
    ids.truncate(count as usize);
    Ok(ids)
}
