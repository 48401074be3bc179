//! Fills a new tmpfs with what it is about to hide (`tmpcopyup`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid},
    io::{Errno, Result},
};

use crate::tree::Tree;

/// Copies directories, regular files and symbolic links with their owners and modes; other kinds
/// are passed over. Nothing is followed.
pub(crate) fn copy(tree: &Tree, path: &str, to: BorrowedFd<'_>) -> Result<()> {
    let from = tree.find(path)?;
    let from = open_directory(from.as_fd(), ".")?;
    copy_directory(&from, to)
}

fn open_directory(at: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn copy_directory(from: &OwnedFd, to: BorrowedFd<'_>) -> Result<()> {
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, mode)?;
                let inner = open_directory(to, name)?;
                copy_directory(&open_directory(from.as_fd(), name)?, inner.as_fd())?;
            }
            FileType::RegularFile => copy_file(from, to, name, mode)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(target, to, name)?;
            }
            _ => continue,
        }
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

fn copy_file(from: &OwnedFd, to: BorrowedFd<'_>, name: &std::ffi::CStr, mode: Mode) -> Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = rustix::fs::openat(from, name, read, Mode::empty())?;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let target = rustix::fs::openat(to, name, write, mode)?;
    std::io::copy(&mut std::fs::File::from(source), &mut std::fs::File::from(target))
        .map(drop)
        .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}
