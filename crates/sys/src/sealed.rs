//! Runs the calling program from a read-only view of its own executable.
//!
//! A process in a container that gets hold of `/proc/PID/exe` of the runtime could open it for
//! writing once no process runs it any more, and so replace the host's binary (CVE-2019-5736).
//! When the program runs from a read-only detached bind mount of itself, such an open fails with
//! `EROFS` for ever: the mount is in no mount tree, so nobody can remount it.

use std::{ffi::CString, fs::File, io, os::fd::AsFd, os::unix::ffi::OsStringExt};

use rustix::mount::OpenTreeFlags;

/// Set in the second run, so that a system where the view has no effect cannot loop.
const MARK: &str = "GANTRY_SEALED_EXECUTABLE";

/// Restarts the program from a read-only view of its executable; returns at once in that run.
///
/// # Errors
/// When the view cannot be made or executed; the program should then not go on.
pub fn run_sealed() -> io::Result<()> {
    let own = File::open("/proc/self/exe")?;
    let flags = rustix::fs::fstatvfs(&own)?.f_flag;
    if flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    if std::env::var_os(MARK).is_some() {
        return Err(io::Error::other("the read-only view of the executable had no effect"));
    }
    let view = rustix::mount::open_tree(
        rustix::fs::CWD,
        "/proc/self/exe",
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    crate::mount::set_attributes(
        view.as_fd(),
        crate::mount::Scope::Mount,
        &crate::mount::Attributes {
            set: libc::MOUNT_ATTR_RDONLY,
            propagation: libc::MS_PRIVATE,
            ..Default::default()
        },
    )?;
    let arguments = to_c(std::env::args_os().map(OsStringExt::into_vec))?;
    let environment = to_c(
        std::env::vars_os()
            .map(|(name, value)| [name.into_vec(), value.into_vec()].join(&b'='))
            .chain([format!("{MARK}=1").into_bytes()]),
    )?;
    Err(crate::execute::replace_with_file(view.as_fd(), &arguments, &environment))
}

fn to_c(strings: impl Iterator<Item = Vec<u8>>) -> io::Result<Vec<CString>> {
    strings.map(|s| CString::new(s).map_err(io::Error::other)).collect()
}
