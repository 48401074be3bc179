//! What of the host is mounted in a container, opened so that nobody inside chooses what it is.

use std::{io, os::fd::OwnedFd, path::Path};

use rustix::fs::FileType;

use crate::record::MountSource;

/// A directory or file of the host, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostSource<'a> {
    path: &'a Path,
    /// Below `path`, where containers write: links there lead nowhere else.
    part: &'a str,
}

impl<'a> HostSource<'a> {
    /// Of a mount; memory has none.
    pub(crate) fn of(source: &'a MountSource) -> Option<Self> {
        match source {
            MountSource::Bind { path, .. } => Some(Self { path, part: "" }),
            MountSource::Volume { path, subpath, .. } => Some(Self { path, part: subpath }),
            MountSource::Tmpfs { .. } => None,
        }
    }

    /// Refers to it; `None` when it is not there.
    ///
    /// # Errors
    /// Those of opening, and for a part that leads out.
    pub(crate) fn open(&self) -> io::Result<Option<OwnedFd>> {
        match sys::confine::refer_beneath(self.path, Path::new(self.part)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether it is there and a directory.
    pub(crate) fn is_directory(&self) -> bool {
        let stat = self.open().ok().flatten().and_then(|fd| rustix::fs::fstat(fd).ok());
        stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }
}
