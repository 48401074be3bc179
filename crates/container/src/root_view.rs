//! Looking into a container's root without starting it: a detached overlay mount that exists only
//! as a descriptor and goes with it.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags},
    mount::{MoveMountFlags, OpenTreeFlags},
};
use sys::{
    confine::Root,
    overlay::{self, Overlay},
};
use types::RootFilesystem;

/// The longest file of the container's that the engine reads whole, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A private copy of a mount and all below it.
const OPEN_TREE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_RECURSIVE)
    .union(OpenTreeFlags::AT_EMPTY_PATH);

/// A container's root, confined: no path leads out of it.
pub struct RootView {
    root: Root,
}

impl RootView {
    /// Mounts the root file system for this process alone.
    ///
    /// # Errors
    /// Those of mounting.
    pub fn open(rootfs: &RootFilesystem) -> io::Result<Self> {
        let root = match rootfs {
            RootFilesystem::Directory { path } => Root::open(path)?,
            RootFilesystem::Overlay { lower, upper, work, is_volatile } => {
                Root::from_fd(overlay::mount(&Overlay {
                    lower,
                    upper: upper.as_deref(),
                    work: work.as_deref(),
                    is_volatile: *is_volatile,
                })?)
            }
        };
        Ok(Self { root })
    }

    /// Mounts the root file system for reading, its writable directory as one more layer: a second
    /// mount that can write empties the work directory of the first, whose container then can no
    /// longer copy anything up; and the end of a mount that can write flushes the file system.
    ///
    /// # Errors
    /// Those of mounting.
    pub fn open_for_reading(rootfs: &RootFilesystem) -> io::Result<Self> {
        Self::open(&rootfs.clone().into_view())
    }

    /// The root of a process, with all that is mounted there.
    ///
    /// # Errors
    /// Those of opening; the caller makes sure that the process is the one that it means.
    pub fn of_process(pid: i32) -> io::Result<Self> {
        Ok(Self { root: Root::open(Path::new(&format!("/proc/{pid}/root")))? })
    }

    /// Puts a file or directory of the host in the place of `destination`, in this
    /// view only. Where the container has no such place yet there is nothing to put it on.
    ///
    /// # Errors
    /// Those of opening and mounting; a kernel before 6.15 mounts nothing in a detached tree.
    pub fn attach(&self, source: BorrowedFd<'_>, destination: &Path) -> io::Result<()> {
        let place = match self.root.open_file(destination, OFlags::PATH, Mode::empty()) {
            Ok(place) => place,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let tree = rustix::mount::open_tree(source, "", OPEN_TREE)?;
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(rustix::mount::move_mount(&tree, c"", &place, c"", flags)?)
    }

    /// The confined root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Reads the lines of the first 4 MiB of a text file. A missing one is empty, and so is what
    /// is no file: a container that spoils its account files can still be entered by number.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read_text(&self, path: &str) -> io::Result<String> {
        let file = match self.root.open_regular(Path::new(path)) {
            Ok((fd, _)) => File::from(fd),
            Err(error) if is_absent(&error) || leads_nowhere(&error) => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            // The last line is cut off, and half a line could say something else.
            let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            bytes.truncate(end);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Opens a directory, if there is one.
    ///
    /// # Errors
    /// Those of opening, apart from absence.
    pub fn directory(&self, path: &str) -> io::Result<Option<OwnedFd>> {
        match self.root.open_dir(Path::new(path)) {
            Ok(fd) => Ok(Some(fd)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Links in a circle, links of `/proc`, and what is no regular file.
fn leads_nowhere(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// `/proc/self/fd/N`, for functions that take paths.
pub(crate) fn fd_path(fd: BorrowedFd<'_>) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}

/// Whether a directory holds nothing.
pub(crate) fn is_empty(dir: impl AsFd) -> io::Result<bool> {
    Ok(std::fs::read_dir(fd_path(dir.as_fd()))?.next().is_none())
}
