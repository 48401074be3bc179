//! Failures that nobody waits for, kept in `shim.log` of the shim's directory.
//!
//! A supervisor has no terminal and no journal. The file is made with its first line and bounded,
//! as the directory is usually memory.

use std::{
    error::Error,
    fs::File,
    io::Write as _,
    os::fd::{AsFd, OwnedFd},
};

use container_log::Timestamp;
use rustix::fs::{Mode, OFlags, fstat, openat};

/// The file's name.
pub const FILE_NAME: &str = "shim.log";
const MAX_BYTES: i64 = 64 << 10;

/// Where to complain.
#[derive(Debug)]
pub struct Complaints {
    directory: OwnedFd,
}

impl Complaints {
    /// Complains into `directory`.
    #[must_use]
    pub fn new(directory: OwnedFd) -> Self {
        Self { directory }
    }

    /// Notes that `operation` failed. A failure to note it has nowhere left to go.
    pub fn add(&self, operation: &str, error: &dyn Error) {
        self.add_text(&format!("{operation}: {}", types::error::chain(error)));
    }

    /// Notes a text.
    pub fn add_text(&self, text: &str) {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
        let Ok(file) = openat(self.directory.as_fd(), FILE_NAME, flags, Mode::from_raw_mode(0o600))
        else {
            return;
        };
        if fstat(&file).is_ok_and(|stat| stat.st_size >= MAX_BYTES) {
            return;
        }
        let mut line = Vec::new();
        Timestamp::now().write_to(&mut line);
        line.push(b' ');
        line.extend_from_slice(text.as_bytes());
        line.push(b'\n');
        drop(File::from(file).write_all(&line));
    }
}
