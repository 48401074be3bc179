//! Owner, extended attributes, mode and time of what was made.

use std::{
    ffi::OsStr,
    io,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
};

use rustix::{
    fs::{self, AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid},
    io::Errno,
};
use sys::xattr::{self, Target};

use super::Spot;
use crate::tar::{Entry, Kind, Timestamp};

/// What an entry wants of the file that it made.
pub(super) struct Attributes<'e>(&'e Entry);

impl<'e> Attributes<'e> {
    pub(super) fn of(entry: &'e Entry) -> Self {
        Self(entry)
    }

    /// Sets them in the one order that works: changing the owner clears the set-id bits and the
    /// capabilities, and a POSIX ACL is in step with the mode that is set after it.
    pub(super) fn set(&self, target: Target<'_>) -> io::Result<()> {
        let owner = (Some(Uid::from_raw(self.0.uid)), Some(Gid::from_raw(self.0.gid)));
        match target {
            Target::Open(fd) => fs::fchown(fd, owner.0, owner.1)?,
            Target::Entry(dir, name) => {
                fs::chownat(dir, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        self.set_xattrs(target)?;
        let mode = Mode::from_raw_mode(self.0.mode & 0o7777);
        match target {
            Target::Open(fd) => fs::fchmod(fd, mode)?,
            // A running container may have put a link in the place of what was just made.
            Target::Entry(dir, name) if self.0.kind != Kind::Symlink => {
                sys::confine::chmod_at(dir, name, mode)?;
            }
            Target::Entry(..) => {}
        }
        Ok(())
    }

    fn set_xattrs(&self, target: Target<'_>) -> io::Result<()> {
        // The kernel keeps user attributes on files and directories only.
        let takes_user = matches!(self.0.kind, Kind::File | Kind::Directory);
        for (name, value) in &self.0.xattrs {
            if !is_kept(name) || (name.starts_with(b"user.") && !takes_user) {
                continue;
            }
            match xattr::set(target, OsStr::from_bytes(name), value) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => {
                    let (entry, name) = (self.0.name(), String::from_utf8_lossy(name));
                    tracing::warn!(entry, %name, "the file system does not take the attribute");
                }
                other => other?,
            }
        }
        Ok(())
    }
}

/// Whether an attribute goes into and out of layers.
pub(crate) fn is_kept(name: &[u8]) -> bool {
    let is_in = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    match name {
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        _ => is_in(&[b"user.", b"trusted."]) && !is_in(&[b"user.overlay.", b"trusted.overlay."]),
    }
}

pub(super) fn set_open_time(fd: BorrowedFd<'_>, time: Timestamp) -> io::Result<()> {
    Ok(fs::futimens(fd, &timestamps(time))?)
}

pub(super) fn set_entry_time(spot: &Spot<'_>, time: Timestamp) -> io::Result<()> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    Ok(fs::utimensat(spot.dir, spot.name, &timestamps(time), flags)?)
}

fn timestamps(time: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() },
    }
}
