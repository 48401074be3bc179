//! Reading a log: what is there, then what comes.

mod backwards;
mod reader;
mod source;

use std::collections::BTreeMap;

pub use reader::LogReader;

use crate::{StreamKind, Timestamp};

/// A place in a log that stays the same across rotation and compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Of the file, as it was written.
    pub inode: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// Which records are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Records of standard output.
    pub stdout: bool,
    /// Records of standard error.
    pub stderr: bool,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Only the last so many; `None`: all.
    pub tail: Option<usize>,
}

impl LogQuery {
    fn admits(&self, record: &LogRecord) -> bool {
        let is_wanted = match record.stream {
            StreamKind::Stdout => self.stdout,
            StreamKind::Stderr => self.stderr,
        };
        is_wanted && self.since.is_none_or(|since| record.time >= since) && !self.is_past(record)
    }

    fn is_past(&self, record: &LogRecord) -> bool {
        self.until.is_some_and(|until| record.time > until)
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// What was written, usually one line with its newline.
    pub log: Vec<u8>,
    /// Where.
    pub stream: StreamKind,
    /// When.
    pub time: Timestamp,
    /// Attributes (labels, env, tag) that the log options asked for.
    pub attrs: BTreeMap<String, String>,
}
