//! File operations that cannot leave a directory, whatever links lie below it.
//!
//! [`Root`] is a directory (or the root of a detached mount) that paths of unknown origin are
//! resolved below with `openat2(2)`: `RESOLVE_IN_ROOT` makes absolute paths, `..` and symbolic
//! links start or stop at the directory, as after a `chroot`, and `RESOLVE_NO_MAGICLINKS`
//! refuses the links of `/proc`. The last component of a path that is made, replaced or removed
//! is never followed. A path that ends in `..` or `.` names nothing that could be made and is
//! refused with `InvalidInput`.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path},
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

/// How often a resolution is tried again when renames elsewhere race with it (`EAGAIN`).
const RETRIES: usize = 64;

/// A directory that every path stays below.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

/// What [`Root::mknod`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// A named pipe.
    Fifo,
    /// A character device of major and minor number.
    Character(u32, u32),
    /// A block device of major and minor number.
    Block(u32, u32),
}

impl Node {
    fn parts(self) -> (FileType, u64) {
        match self {
            Self::Fifo => (FileType::Fifo, 0),
            Self::Character(major, minor) => (FileType::CharacterDevice, fs::makedev(major, minor)),
            Self::Block(major, minor) => (FileType::BlockDevice, fs::makedev(major, minor)),
        }
    }
}

impl Root {
    /// Opens the directory at `path`, which is trusted and resolved as usual.
    ///
    /// # Errors
    /// What `open(2)` says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        Ok(Self { fd: fs::open(path, flags, Mode::empty())? })
    }

    /// Takes a directory or mount that is already open.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Opens `path` below the root; symbolic links are followed within it.
    ///
    /// Give `O_NOFOLLOW` to refuse a link as the last component.
    ///
    /// # Errors
    /// What `openat2(2)` says.
    pub fn open_file(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        Ok(self.resolve(path, flags, mode)?)
    }

    /// Opens the directory `path` below the root for reading.
    ///
    /// # Errors
    /// What `openat2(2)` says.
    pub fn open_dir(&self, path: &Path) -> io::Result<OwnedFd> {
        Ok(self.resolve(path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty())?)
    }

    /// Opens the directory that holds `path`, and returns it with the last component's name.
    ///
    /// # Errors
    /// `InvalidInput` when the path has no last component; else what `openat2(2)` says.
    pub fn open_parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let (parent, name) = split(path)?;
        Ok((self.open_dir(parent)?, name.to_owned()))
    }

    /// Opens the regular file `path` below the root for reading; see [`open_regular_at`].
    ///
    /// # Errors
    /// `ELOOP` for anything but a regular file; else what `openat2(2)` says.
    pub fn open_regular(&self, path: &Path) -> io::Result<(OwnedFd, Stat)> {
        reopen_regular(self.resolve(path, OFlags::PATH, Mode::empty())?)
    }

    /// Makes the directory `path` and whatever is missing above it, and returns it open.
    ///
    /// Existing directories and links to directories are left as they are.
    ///
    /// # Errors
    /// `NotADirectory` when something else is in the way; else what `mkdirat(2)` says.
    pub fn create_dir_all(&self, path: &Path, mode: Mode) -> io::Result<OwnedFd> {
        match self.resolve(path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()) {
            Err(Errno::NOENT) => {}
            other => return Ok(other?),
        }
        let mut so_far = std::path::PathBuf::new();
        let mut at = self.fd.try_clone()?;
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
                Component::ParentDir => so_far.push(".."),
                Component::Normal(name) => {
                    match fs::mkdirat(&at, name, mode) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    so_far.push(name);
                }
            }
            at = self.open_dir(&so_far)?;
        }
        Ok(at)
    }

    /// Makes one directory.
    ///
    /// # Errors
    /// What `mkdirat(2)` says.
    pub fn create_dir(&self, path: &Path, mode: Mode) -> io::Result<()> {
        let (dir, name) = self.open_parent(path)?;
        Ok(fs::mkdirat(dir, name, mode)?)
    }

    /// Makes a symbolic link at `path`; `target` is stored as it is.
    ///
    /// # Errors
    /// What `symlinkat(2)` says.
    pub fn symlink(&self, target: &OsStr, path: &Path) -> io::Result<()> {
        let (dir, name) = self.open_parent(path)?;
        Ok(fs::symlinkat(target, dir, name)?)
    }

    /// Makes `path` another name of `existing`; neither is followed if it is a link.
    ///
    /// # Errors
    /// What `linkat(2)` says.
    pub fn hard_link(&self, existing: &Path, path: &Path) -> io::Result<()> {
        let (old_dir, old_name) = self.open_parent(existing)?;
        let (dir, name) = self.open_parent(path)?;
        Ok(fs::linkat(old_dir, old_name, dir, name, AtFlags::empty())?)
    }

    /// Makes a device or pipe.
    ///
    /// # Errors
    /// What `mknodat(2)` says.
    pub fn mknod(&self, path: &Path, node: Node, mode: Mode) -> io::Result<()> {
        let (dir, name) = self.open_parent(path)?;
        mknod_at(dir.as_fd(), &name, node, mode)
    }

    /// Describes `path` itself (`lstat`).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn metadata(&self, path: &Path) -> io::Result<Stat> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        Ok(fs::fstat(self.resolve(path, flags, Mode::empty())?)?)
    }

    /// Returns what the symbolic link at `path` holds.
    ///
    /// # Errors
    /// `InvalidInput` when it is no link; else what the kernel says.
    pub fn read_link(&self, path: &Path) -> io::Result<OsString> {
        let (dir, name) = self.open_parent(path)?;
        let target = fs::readlinkat(dir, name, Vec::new())?;
        Ok(OsStr::from_bytes(target.as_bytes()).to_owned())
    }

    /// Removes a file, link or device (not a directory).
    ///
    /// # Errors
    /// What `unlinkat(2)` says.
    pub fn unlink(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.open_parent(path)?;
        Ok(fs::unlinkat(dir, name, AtFlags::empty())?)
    }

    /// Removes whatever `path` is, with everything below it; absence is no error.
    ///
    /// # Errors
    /// As [`crate::removal::remove_entry`].
    pub fn remove_all(&self, path: &Path) -> io::Result<()> {
        match self.open_parent(path) {
            Ok((dir, name)) => crate::removal::remove_entry(dir.as_fd(), &name),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn resolve(&self, path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        open_with_retries(self.fd.as_fd(), path, flags, mode, how)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Refers to `inner` below `base`, a trusted path; an empty `inner` is `base` itself.
///
/// For a part of a volume: whoever writes to the volume chooses the links on the way, so none may
/// lead out of it. Unlike [`Root`], which takes absolute links as the container's own, this
/// refuses them: the volume is not the root of anyone.
///
/// # Errors
/// `EXDEV` for a way that leads out; else what `openat2(2)` says.
pub fn refer_beneath(base: &Path, inner: &Path) -> io::Result<OwnedFd> {
    let base = fs::open(base, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if inner.as_os_str().is_empty() {
        return Ok(base);
    }
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    Ok(open_with_retries(base.as_fd(), inner, OFlags::PATH, Mode::empty(), how)?)
}

fn open_with_retries(
    base: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    how: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match fs::openat2(base, path, flags | OFlags::CLOEXEC, mode, how) {
            Err(Errno::AGAIN | Errno::INTR) if tries < RETRIES => tries += 1,
            other => return other,
        }
    }
}

/// Makes a device or pipe named `name` in `dir`.
///
/// # Errors
/// What `mknodat(2)` says.
pub fn mknod_at(dir: BorrowedFd<'_>, name: &OsStr, node: Node, mode: Mode) -> io::Result<()> {
    let (kind, device) = node.parts();
    Ok(fs::mknodat(dir, name, kind, mode, device)?)
}

/// Changes the mode of `name` in `dir`, never of what a symbolic link there leads to: whoever may
/// write in the directory may have put one in the place of what was made a moment ago.
///
/// # Errors
/// `ELOOP` for a symbolic link; else what `open(2)` and `chmod(2)` say.
pub fn chmod_at(dir: BorrowedFd<'_>, name: &OsStr, mode: Mode) -> io::Result<()> {
    let (place, stat) = refer(dir, name)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP.into());
    }
    Ok(fs::chmod(magic_link(&place), mode)?)
}

/// Opens the regular file `name` in `dir` for reading. What was found is what is opened, so that
/// nothing that takes its place meanwhile is: opening a device or a pipe does something already.
///
/// # Errors
/// `ELOOP` for anything but a regular file; else what `open(2)` says.
pub fn open_regular_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<(OwnedFd, Stat)> {
    reopen_regular(refer(dir, name)?.0)
}

fn reopen_regular(place: OwnedFd) -> io::Result<(OwnedFd, Stat)> {
    let stat = fs::fstat(&place)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::LOOP.into());
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok((fs::open(magic_link(&place), flags, Mode::empty())?, stat))
}

fn refer(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<(OwnedFd, Stat)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = fs::openat(dir, name, flags, Mode::empty())?;
    let stat = fs::fstat(&place)?;
    Ok((place, stat))
}

/// The same file once more, for calls that take no descriptor of this kind. Needs `/proc`.
fn magic_link(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Splits off the last component, which must be a name.
fn split(path: &Path) -> io::Result<(&Path, &OsStr)> {
    // `Path::file_name` looks through a trailing `/.`, which is a different request.
    let bytes = path.as_os_str().as_bytes();
    let name = path.file_name().filter(|_| !bytes.ends_with(b"/."));
    match (path.parent(), name) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs as std_fs, os::unix::fs::symlink};

    use super::*;

    const FILE: Mode = Mode::from_raw_mode(0o644);

    #[test]
    fn links_and_dots_resolve_within_the_root() {
        let temp = tempfile::tempdir().unwrap();
        let inside = temp.path().join("root");
        std_fs::create_dir_all(inside.join("etc")).unwrap();
        std_fs::create_dir_all(temp.path().join("etc")).unwrap();
        symlink("/etc", inside.join("absolute")).unwrap();
        symlink("../../../../etc", inside.join("relative")).unwrap();
        let root = Root::open(&inside).unwrap();
        for (number, path) in ["absolute", "relative", "../../etc", "/etc"].iter().enumerate() {
            let file = format!("{path}/file-{number}");
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
            root.open_file(Path::new(&file), flags, FILE).unwrap();
            assert!(inside.join(format!("etc/file-{number}")).exists());
        }
        assert_eq!(std_fs::read_dir(temp.path().join("etc")).unwrap().count(), 0);
    }

    #[test]
    fn magic_links_are_refused() {
        let root = Root::open(Path::new("/proc/self")).unwrap();
        let error = root.open_file(Path::new("exe"), OFlags::RDONLY, Mode::empty()).unwrap_err();
        let refusals = [Errno::LOOP, Errno::XDEV].map(|errno| Some(errno.raw_os_error()));
        assert!(refusals.contains(&error.raw_os_error()), "{error}");
    }

    #[test]
    fn missing_directories_are_made_through_links_but_not_through_files() {
        let temp = tempfile::tempdir().unwrap();
        std_fs::create_dir_all(temp.path().join("usr/lib")).unwrap();
        symlink("usr/lib", temp.path().join("lib")).unwrap();
        std_fs::write(temp.path().join("file"), "").unwrap();
        let root = Root::open(temp.path()).unwrap();
        let mode = Mode::from_raw_mode(0o755);
        root.create_dir_all(Path::new("/lib/a/../b/c"), mode).unwrap();
        assert!(temp.path().join("usr/lib/b/c").is_dir());
        let error = root.create_dir_all(Path::new("file/x"), mode).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        let error = root.open_parent(Path::new("a/..")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = root.open_parent(Path::new("a/.")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn parts_of_a_volume_are_in_it() {
        let temp = tempfile::tempdir().unwrap();
        let volume = temp.path().join("volume");
        std_fs::create_dir_all(volume.join("a/b")).unwrap();
        symlink("a", volume.join("near")).unwrap();
        symlink("/", volume.join("root")).unwrap();
        symlink("../..", volume.join("a/up")).unwrap();
        let refer = |inner: &str| refer_beneath(&volume, Path::new(inner));
        for inner in ["", "a/b", "near/b", "a/../a"] {
            assert!(refer(inner).is_ok(), "{inner}");
        }
        for inner in ["root", "root/etc", "a/up", "a/up/x", "../volume", "/", "absent"] {
            assert!(refer(inner).is_err(), "{inner}");
        }
    }

    #[test]
    fn links_in_the_place_of_what_was_made_are_not_followed() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let outside = temp.path().join("outside");
        std_fs::write(&outside, "secret").unwrap();
        std_fs::set_permissions(&outside, PermissionsExt::from_mode(0o600)).unwrap();
        let inside = temp.path().join("root");
        std_fs::create_dir(&inside).unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        let root = Root::open(&inside).unwrap();
        root.mknod(Path::new("pipe"), Node::Fifo, FILE).unwrap();
        for name in ["link", "pipe"] {
            let error = open_regular_at(root.as_fd(), name.as_ref()).unwrap_err();
            assert_eq!(Errno::from_io_error(&error), Some(Errno::LOOP), "{name}");
        }
        assert!(chmod_at(root.as_fd(), "link".as_ref(), Mode::from_raw_mode(0o4777)).is_err());
        let mode = |path: &Path| std_fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&outside), 0o600);
        chmod_at(root.as_fd(), "pipe".as_ref(), Mode::from_raw_mode(0o4642)).unwrap();
        assert_eq!(mode(&inside.join("pipe")), 0o4642);
        std_fs::write(inside.join("plain"), "content").unwrap();
        let (file, stat) = open_regular_at(root.as_fd(), "plain".as_ref()).unwrap();
        assert_eq!(stat.st_size, 7);
        assert_eq!(std::io::read_to_string(std_fs::File::from(file)).unwrap(), "content");
    }

    #[test]
    fn made_and_removed_entries_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(temp.path()).unwrap();
        std_fs::write(temp.path().join("kept"), "x").unwrap();
        root.symlink(OsStr::new("kept"), Path::new("link")).unwrap();
        root.hard_link(Path::new("link"), Path::new("second")).unwrap();
        assert_eq!(root.read_link(Path::new("second")).unwrap(), "kept");
        root.mknod(Path::new("null"), Node::Character(1, 3), FILE).unwrap();
        let stat = root.metadata(Path::new("null")).unwrap();
        assert_eq!(stat.st_rdev, fs::makedev(1, 3));
        root.remove_all(Path::new("link")).unwrap();
        root.remove_all(Path::new("absent/deeper")).unwrap();
        root.unlink(Path::new("second")).unwrap();
        assert!(temp.path().join("kept").exists());
    }
}
