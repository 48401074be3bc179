//! Giving a full file way to the next.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{LogPosition, files};

/// When a file gives way to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// `None`: never.
    pub max_size_bytes: Option<u64>,
    /// The current one included; at least 1.
    pub max_files: u32,
    /// A program that compresses what has been rotated (`PROGRAM compress PATH INODE`), in a
    /// process of its own: no writer waits for it. `None`: files stay plain.
    pub compressor: Option<PathBuf>,
}

/// The current file and its predecessors.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    file: File,
    inode: u64,
    size_bytes: u64,
    rotation: Rotation,
}

impl RotatingFile {
    pub(crate) fn open(path: PathBuf, rotation: Rotation) -> io::Result<Self> {
        let file = open_append(&path)?;
        let metadata = file.metadata()?;
        Ok(Self { path, file, inode: metadata.ino(), size_bytes: metadata.len(), rotation })
    }

    /// Opens the file anew after something else has moved it away.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        let file = open_append(&self.path)?;
        let metadata = file.metadata()?;
        (self.inode, self.size_bytes) = (metadata.ino(), metadata.len());
        self.file = file;
        Ok(())
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> LogPosition {
        LogPosition { inode: self.inode, offset: self.size_bytes }
    }

    /// Writes whole messages; what did not fit is cut off again, so that records stay whole.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = (&self.file).write_all(bytes);
        match written {
            Ok(()) => self.size_bytes += bytes.len() as u64,
            Err(_) => self.file.set_len(self.size_bytes)?,
        }
        written
    }

    /// As in Docker, a file is rotated before the message that finds it at or above the limit.
    pub(crate) fn is_full(&self, pending: usize) -> bool {
        self.rotation.max_size_bytes.is_some_and(|max| self.size_bytes + pending as u64 >= max)
    }

    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        let old = self.inode;
        {
            let _lock = files::Lock::exclusive(&self.path)?;
            self.shift()?;
            self.reopen()?;
        }
        if let Some(program) = self.rotation.compressor.as_ref().filter(|_| self.keeps_old()) {
            // Not waited for: the supervisor reaps every child.
            Command::new(program)
                .arg("compress")
                .arg(&self.path)
                .arg(old.to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
        }
        Ok(())
    }

    fn keeps_old(&self) -> bool {
        self.rotation.max_files >= 2
    }

    fn shift(&self) -> io::Result<()> {
        if !self.keeps_old() {
            // A reader may still be at work on the old file: a new one, not a truncated one.
            return files::ignore_missing(fs::remove_file(&self.path));
        }
        files::remove_numbered(&self.path, self.rotation.max_files - 1)?;
        for number in (1..self.rotation.max_files - 1).rev() {
            files::move_numbered(&self.path, number, number + 1)?;
        }
        files::ignore_missing(fs::rename(&self.path, files::numbered(&self.path, 1)))
    }
}

fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}
