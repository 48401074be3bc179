//! Names of a log's files, and the lock under which they change.

use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// What a compressed file's name ends in.
pub(crate) const COMPRESSED: &str = ".gz";

/// The `number`th predecessor of `path`, plain.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    with_suffix(path, &format!(".{number}"))
}

/// `path` with more at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

/// A lock on the directory of a log; released when dropped.
pub(crate) struct Lock {
    _directory: OwnedFd,
}

impl Lock {
    /// For renaming.
    pub(crate) fn exclusive(path: &Path) -> io::Result<Self> {
        Self::take(path, FlockOperation::LockExclusive)
    }

    /// For listing.
    pub(crate) fn shared(path: &Path) -> io::Result<Self> {
        Self::take(path, FlockOperation::LockShared)
    }

    fn take(path: &Path, operation: FlockOperation) -> io::Result<Self> {
        let parent = path.parent().unwrap_or(Path::new("."));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(parent, flags, Mode::empty())?;
        loop {
            match flock(&directory, operation) {
                Ok(()) => return Ok(Self { _directory: directory }),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// A predecessor that is there.
pub(crate) struct Rotated {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) is_compressed: bool,
}

/// Opens the predecessors that exist, newest first. To be called under a [`Lock`].
pub(crate) fn open_rotated(path: &Path) -> io::Result<Vec<Rotated>> {
    let mut found = Vec::new();
    for number in 1.. {
        let plain = numbered(path, number);
        let compressed = with_suffix(&plain, COMPRESSED);
        // The plain one first: while both exist the compressed one is not complete.
        let opened = match open_if_there(&plain)? {
            Some(file) => Some(Rotated { path: plain, file, is_compressed: false }),
            None => open_if_there(&compressed)?.map(|file| Rotated {
                path: compressed,
                file,
                is_compressed: true,
            }),
        };
        match opened {
            Some(rotated) => found.push(rotated),
            None => break,
        }
    }
    Ok(found)
}

/// Opens a file; one that does not exist is no error.
pub(crate) fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes an error of "it is not there" a success.
pub(crate) fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes a predecessor in either form.
pub(crate) fn remove_numbered(path: &Path, number: u32) -> io::Result<()> {
    let plain = numbered(path, number);
    ignore_missing(fs::remove_file(&plain))?;
    ignore_missing(fs::remove_file(with_suffix(&plain, COMPRESSED)))
}

/// Renames a predecessor in either form.
pub(crate) fn move_numbered(path: &Path, from: u32, to: u32) -> io::Result<()> {
    let (old, new) = (numbered(path, from), numbered(path, to));
    ignore_missing(fs::rename(&old, &new))?;
    ignore_missing(fs::rename(with_suffix(&old, COMPRESSED), with_suffix(&new, COMPRESSED)))
}
