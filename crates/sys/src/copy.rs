//! Copying a tree between two directories by descriptors: nothing is followed, nothing leaves
//! either side.
//!
//! Keeps owner, mode, times, extended attributes, hard links within the tree, symbolic links,
//! devices, FIFOs and holes (by `copy_file_range` where the file system shares or copies extents).

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::Path,
};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid,
    chownat, linkat, mkdirat, mknodat, openat, openat2, readlinkat, statat, symlinkat, utimensat,
};

use crate::{
    confine,
    xattr::{self, Target},
};

/// Trees nested deeper than this are refused.
const MAX_DEPTH: usize = 1024;

/// Copies what is in `source` into `target`, and `target` gets the owner, mode, times and
/// attributes of `source`.
///
/// # Errors
/// Those of the system calls; what was copied so far stays. A tree deeper than 1024 directories is
/// refused.
pub fn tree(source: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let mut links = HashMap::new();
    Copy { links: &mut links, top: target }.directory(source, target, &mut Vec::new())
}

struct Copy<'a> {
    /// Device and inode of files with several links, to the path below `top` of their first copy.
    links: &'a mut HashMap<(u64, u64), OsString>,
    top: BorrowedFd<'a>,
}

impl Copy<'_> {
    fn directory(
        &mut self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        path: &mut Vec<OsString>,
    ) -> io::Result<()> {
        if path.len() > MAX_DEPTH {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "directories nested too deep"));
        }
        for entry in Dir::read_from(source)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            path.push(name);
            self.entry(source, target, path)?;
            path.pop();
        }
        for name in xattr::list(Target::Open(source))? {
            if let Some(value) = xattr::get(Target::Open(source), &name)? {
                xattr::set(Target::Open(target), &name, &value)?;
            }
        }
        let stat = rustix::fs::fstat(source)?;
        rustix::fs::fchown(
            target,
            Some(Uid::from_raw(stat.st_uid)),
            Some(Gid::from_raw(stat.st_gid)),
        )?;
        rustix::fs::fchmod(target, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        rustix::fs::futimens(target, &times(&stat))?;
        Ok(())
    }

    fn link(&self, first: &OsString, target: BorrowedFd<'_>, name: &OsString) -> io::Result<()> {
        let (parent, first) = find_parent(self.top, Path::new(first))?;
        Ok(linkat(parent, first, target, name, AtFlags::empty())?)
    }

    fn entry(
        &mut self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        path: &mut Vec<OsString>,
    ) -> io::Result<()> {
        let name = path.last().cloned().unwrap_or_default();
        let stat = statat(source, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let key = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&key) {
                return self.link(first, target, &name);
            }
            self.links.insert(key, path.join(std::ffi::OsStr::new("/")));
        }
        match kind {
            FileType::Directory => {
                mkdirat(target, &name, Mode::RWXU)?;
                let (from, to) = (open_dir(source, &name)?, open_dir(target, &name)?);
                return self.directory(from.as_fd(), to.as_fd(), path);
            }
            FileType::RegularFile => return file(source, target, &name, &stat),
            FileType::Symlink => {
                let link = readlinkat(source, &name, Vec::new())?;
                symlinkat(link, target, &name)?;
            }
            // A socket is the end of a conversation that does not go on in the copy.
            FileType::Socket => return Ok(()),
            kind => {
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                mknodat(target, &name, kind, mode, stat.st_rdev)?;
            }
        }
        own(target, &name, &stat, kind)
    }
}

/// The directory of a path below `top`, reached through no symbolic link: a volume that others
/// write to at the same time could have got one in the place of a directory of the copy.
fn find_parent<'p>(top: BorrowedFd<'_>, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok((openat2(top, parent, flags, Mode::empty(), resolve)?, name))
}

fn open_dir(dir: BorrowedFd<'_>, name: &OsString) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

fn file(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    name: &OsString,
    stat: &Stat,
) -> io::Result<()> {
    let (from, _) = confine::open_regular_at(source, name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let to = openat(target, name, flags, Mode::RUSR | Mode::WUSR)?;
    let (mut from, mut to) = (std::fs::File::from(from), std::fs::File::from(to));
    // std uses copy_file_range, then sendfile, then plain reads, whichever works here.
    io::copy(&mut from, &mut to)?;
    rustix::fs::fchown(&to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    // After chown, which drops file capabilities.
    for key in xattr::list(Target::Open(from.as_fd()))? {
        if let Some(value) = xattr::get(Target::Open(from.as_fd()), &key)? {
            xattr::set(Target::Open(to.as_fd()), &key, &value)?;
        }
    }
    rustix::fs::futimens(&to, &times(stat))?;
    Ok(())
}

fn own(dir: BorrowedFd<'_>, name: &OsString, stat: &Stat, kind: FileType) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if kind != FileType::Symlink {
        confine::chmod_at(dir, name, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    }
    utimensat(dir, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn times(stat: &Stat) -> Timestamps {
    let at = |seconds: i64, nanos: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanos).unwrap_or(0),
    };
    Timestamps {
        last_access: at(stat.st_atime, stat.st_atime_nsec),
        last_modification: at(stat.st_mtime, stat.st_mtime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    };

    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_copied_directory_leads_nowhere() {
        let temp = tempfile::tempdir().unwrap();
        let (outside, to) = (temp.path().join("outside"), temp.path().join("to"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        symlink(&outside, to.join("sub")).unwrap();
        let top = fs::File::open(&to).unwrap();
        for path in ["sub/secret", "../outside/secret"] {
            assert!(find_parent(top.as_fd(), Path::new(path)).is_err(), "{path}");
        }
        assert_eq!(find_parent(top.as_fd(), Path::new("plain")).unwrap().1, "plain");
    }

    #[test]
    fn keeps_what_cp_a_keeps() {
        let base = std::env::temp_dir().join(format!("gantry-copy-{}", std::process::id()));
        let (from, to) = (base.join("from"), base.join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/a"), "content").unwrap();
        fs::hard_link(from.join("sub/a"), from.join("b")).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        fs::set_permissions(from.join("sub/a"), fs::Permissions::from_mode(0o4711)).unwrap();
        std::os::unix::fs::chown(&from, Some(7), Some(8)).unwrap();
        let (source, target) = (fs::File::open(&from).unwrap(), fs::File::open(&to).unwrap());
        tree(source.as_fd(), target.as_fd()).unwrap();
        let copied = fs::metadata(to.join("sub/a")).unwrap();
        assert_eq!(fs::read_to_string(to.join("sub/a")).unwrap(), "content");
        assert_eq!(copied.mode() & 0o7777, 0o4711);
        assert_eq!(copied.ino(), fs::metadata(to.join("b")).unwrap().ino(), "hard link is kept");
        assert_eq!(copied.mtime_nsec(), fs::metadata(from.join("sub/a")).unwrap().mtime_nsec());
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/etc/passwd"));
        assert_eq!(fs::metadata(&to).unwrap().uid(), 7);
        fs::remove_dir_all(&base).unwrap();
    }
}
