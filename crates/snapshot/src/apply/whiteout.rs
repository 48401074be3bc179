//! Whiteouts and opaque directories in the form of overlayfs.
//!
//! Source: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use sys::{
    confine::{Node, mknod_at},
    xattr::{self, Target},
};

use super::Spot;

/// The attribute that makes a directory opaque, with the value `y`.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";

pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

pub(crate) fn is_opaque(dir: BorrowedFd<'_>) -> io::Result<bool> {
    let value = xattr::get(Target::Open(dir), OsStr::new(OPAQUE))?;
    Ok(value.as_deref() == Some(b"y"))
}

pub(super) fn mark_opaque(dir: BorrowedFd<'_>) -> io::Result<()> {
    xattr::set(Target::Open(dir), OsStr::new(OPAQUE), b"y")
}

/// Hides what the layers below have at `spot`; what this layer has there stays.
pub(super) fn make(spot: &Spot<'_>) -> io::Result<()> {
    let mode = Mode::empty();
    let made = mknod_at(spot.dir, spot.name, Node::Character(0, 0), mode);
    let Err(error) = made else { return Ok(()) };
    if Errno::from_io_error(&error) != Some(Errno::EXIST) {
        return Err(error);
    }
    let stat = fs::statat(spot.dir, spot.name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(());
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let dir = fs::openat(spot.dir, spot.name, flags, Mode::empty())?;
    mark_opaque(dir.as_fd())
}
