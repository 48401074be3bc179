//! Extended attributes of open files and of directory entries that must not be followed.
//!
//! The kernel has no `*xattrat` calls before 6.13, so an entry is named as
//! `/proc/self/fd/DIR/NAME`: the magic link leads to the directory that is already open and the
//! `l` variants of the calls do not follow the entry itself. Needs `/proc`.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsRawFd, BorrowedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::PathBuf,
};

use rustix::{
    buffer::spare_capacity,
    fs::{self, XattrFlags},
    io::Errno,
};

/// What an attribute belongs to.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// An open file or directory (not `O_PATH`).
    Open(BorrowedFd<'a>),
    /// An entry of an open directory; a symbolic link is not followed.
    Entry(BorrowedFd<'a>, &'a OsStr),
}

fn entry_path(dir: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)
}

/// Sets an attribute, replacing an existing value.
///
/// # Errors
/// What `setxattr(2)` says.
pub fn set(target: Target<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
    match target {
        Target::Open(fd) => fs::fsetxattr(fd, name, value, XattrFlags::empty())?,
        Target::Entry(dir, entry) => {
            fs::lsetxattr(entry_path(dir, entry), name, value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

/// Reads an attribute; `None` when it is not set or the file system has no attributes.
///
/// # Errors
/// What `getxattr(2)` says otherwise.
pub fn get(target: Target<'_>, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
    let read = |buffer: &mut Vec<u8>| match target {
        Target::Open(fd) => fs::fgetxattr(fd, name, spare_capacity(buffer)),
        Target::Entry(dir, entry) => {
            fs::lgetxattr(entry_path(dir, entry), name, spare_capacity(buffer))
        }
    };
    match grow(read) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Lists the names of all attributes, sorted; empty when the file system has none.
///
/// # Errors
/// What `listxattr(2)` says.
pub fn list(target: Target<'_>) -> io::Result<Vec<OsString>> {
    let read = |buffer: &mut Vec<u8>| match target {
        Target::Open(fd) => fs::flistxattr(fd, spare_capacity(buffer)),
        Target::Entry(dir, entry) => fs::llistxattr(entry_path(dir, entry), spare_capacity(buffer)),
    };
    let names = match grow(read) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names: Vec<OsString> = names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect();
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}

/// Calls `read` with ever larger buffers until the value fits (the kernel's bound is 64 KiB).
fn grow(read: impl Fn(&mut Vec<u8>) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut capacity = 256;
    loop {
        let mut buffer = Vec::with_capacity(capacity);
        match read(&mut buffer) {
            Err(Errno::RANGE) if capacity < 1 << 17 => capacity *= 4,
            Err(error) => return Err(error),
            Ok(_) => return Ok(buffer),
        }
    }
}
