//! Walking directories that a container wrote: by descriptors, in order, without following links.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};

use crate::Usage;

/// How deep a tree may be: bounds descriptors and stack.
pub(crate) const MAX_DEPTH: usize = 1024;

/// Opens a directory of a directory.
pub(crate) fn open_dir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(fs::openat(dir, name, flags, Mode::empty())?)
}

/// Describes an entry itself.
pub(crate) fn stat(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Stat> {
    Ok(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Tells the kind of a file.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Lists the names in a directory in byte order.
pub(crate) fn names(dir: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}

/// Fails when a tree is deeper than it may be.
pub(crate) fn check_depth(depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        let text = format!("the directory is nested deeper than {MAX_DEPTH}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

/// Measures everything below a directory; what vanishes meanwhile is not counted.
pub(crate) fn usage(dir: BorrowedFd<'_>) -> io::Result<Usage> {
    let mut measure = Measure::default();
    measure.add(dir, 0)?;
    Ok(measure.usage)
}

#[derive(Default)]
struct Measure {
    usage: Usage,
    /// Files with several names that were counted.
    linked: HashSet<(u64, u64)>,
}

impl Measure {
    fn add(&mut self, dir: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        check_depth(depth)?;
        for name in names(dir)? {
            let Some(stat) = if_present(stat(dir, &name))? else { continue };
            if kind(&stat) == FileType::Directory {
                self.usage.inodes += 1;
                if let Some(child) = if_present(open_dir(dir, &name))? {
                    self.add(child.as_fd(), depth + 1)?;
                }
            } else if stat.st_nlink == 1 || self.linked.insert((stat.st_dev, stat.st_ino)) {
                self.usage.inodes += 1;
                self.usage.size_bytes += u64::try_from(stat.st_size).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// Makes the absence of a file `None`: running containers remove files while we look.
pub(crate) fn if_present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
