//! Reading what containers wrote: `json-file` logs with rotation, tail, since/until and follow.
//!
//! The shim writes (see `shim_protocol::LogTarget`); this only reads. A record is one line
//! `{"log":…,"stream":…,"time":…}`; rotated files are `PATH.1` (newest) to `PATH.N`.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::{linux::fs::MetadataExt, unix::fs::FileExt},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::clock::parse_rfc3339;

/// A line longer than this is damage; the shim splits at 16 KiB, which JSON escapes at most
/// six-fold.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// Which records are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Records of standard output.
    pub stdout: bool,
    /// Records of standard error.
    pub stderr: bool,
    /// Not before (nanoseconds since the Unix epoch).
    pub since_nanos: Option<i64>,
    /// Not after.
    pub until_nanos: Option<i64>,
    /// Only the last so many; `None`: all.
    pub tail: Option<usize>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogRecord {
    /// What was written, usually one line with its newline.
    pub log: String,
    /// `stdout` or `stderr`.
    #[serde(default)]
    pub stream: String,
    /// RFC 3339 with nanoseconds.
    #[serde(default)]
    pub time: String,
    /// Attributes (labels, env) that the log options asked for.
    #[serde(default)]
    pub attrs: std::collections::BTreeMap<String, String>,
}

impl LogRecord {
    /// Whether it came from standard error.
    #[must_use]
    pub fn is_stderr(&self) -> bool {
        self.stream == "stderr"
    }
}

impl LogQuery {
    fn admits(&self, record: &LogRecord) -> bool {
        let stream = if record.is_stderr() { self.stderr } else { self.stdout };
        if !stream {
            return false;
        }
        if self.since_nanos.is_none() && self.until_nanos.is_none() {
            return true;
        }
        let at = parse_rfc3339(&record.time).unwrap_or(0);
        self.since_nanos.is_none_or(|since| at >= since)
            && self.until_nanos.is_none_or(|until| at <= until)
    }

    fn is_past(&self, record: &LogRecord) -> bool {
        self.until_nanos
            .is_some_and(|until| parse_rfc3339(&record.time).is_some_and(|at| at > until))
    }
}

/// Reads one container's log from the oldest kept file to the newest, then onwards as it grows.
///
/// Synchronous; run it on a blocking thread. [`LogReader::next_batch`] returns an empty batch at the
/// present end; call again when the file has changed.
pub struct LogReader {
    path: PathBuf,
    query: LogQuery,
    pending: VecDeque<PathBuf>,
    current: Option<Current>,
    backlog: VecDeque<LogRecord>,
    is_finished: bool,
}

struct Current {
    reader: BufReader<File>,
    inode: u64,
    /// A line whose end was not written yet.
    partial: Vec<u8>,
    /// Whether the live file, which may be rotated away while it is read.
    is_live: bool,
}

impl LogReader {
    /// Opens the log at `path` and positions by the query's `tail`.
    ///
    /// # Errors
    /// Those of opening and reading; a log that does not exist yet is empty.
    pub fn open(path: &Path, query: LogQuery) -> io::Result<Self> {
        let mut reader = Self {
            path: path.to_owned(),
            query,
            pending: rotated_files(path).into(),
            current: None,
            backlog: VecDeque::new(),
            is_finished: false,
        };
        if let Some(tail) = reader.query.tail {
            reader.seek_tail(tail)?;
        }
        Ok(reader)
    }

    /// Whether `until` has been passed, so that no further record can come.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Returns up to `limit` records, fewer or none at the present end.
    ///
    /// # Errors
    /// Those of reading. A damaged line is skipped.
    pub fn next_batch(&mut self, limit: usize) -> io::Result<Vec<LogRecord>> {
        let mut batch = Vec::new();
        while batch.len() < limit && !self.is_finished {
            if let Some(record) = self.backlog.pop_front() {
                batch.push(record);
                continue;
            }
            match self.next_record()? {
                Some(record) if self.query.is_past(&record) => self.is_finished = true,
                Some(record) if self.query.admits(&record) => batch.push(record),
                Some(_) => {}
                None => break,
            }
        }
        Ok(batch)
    }

    /// Skips to the last `tail` admitted records by reading backwards from the end.
    fn seek_tail(&mut self, tail: usize) -> io::Result<()> {
        let mut files: Vec<PathBuf> = std::mem::take(&mut self.pending).into();
        files.push(self.path.clone());
        let mut found: VecDeque<LogRecord> = VecDeque::new();
        for path in files.iter().rev() {
            let Ok(file) = File::open(path) else { continue };
            let end = complete_end(&file)?;
            if *path == self.path {
                self.current = Some(Current::at(file.try_clone()?, end)?);
            }
            if found.len() < tail {
                collect_backwards(&file, end, tail, &self.query, &mut found)?;
            }
        }
        self.backlog = found;
        Ok(())
    }

    fn next_record(&mut self) -> io::Result<Option<LogRecord>> {
        loop {
            if self.current.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let current = self.current.as_mut().expect("opened just above");
            if let Some(line) = current.read_line()? {
                if let Ok(record) = serde_json::from_slice(&line) {
                    return Ok(Some(record));
                }
                continue;
            }
            if current.is_live && !self.was_rotated() {
                return Ok(None);
            }
            // The end of a rotated file: all of it was read, go on with the next one.
            self.current = None;
        }
    }

    fn open_next(&mut self) -> io::Result<bool> {
        while let Some(path) = self.pending.pop_front() {
            match File::open(&path) {
                Ok(file) => {
                    self.current = Some(Current::at(file, 0)?);
                    self.current.as_mut().expect("set just above").is_live = false;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match File::open(&self.path) {
            Ok(file) => {
                self.current = Some(Current::at(file, 0)?);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn was_rotated(&self) -> bool {
        let (Some(current), Ok(meta)) = (&self.current, std::fs::metadata(&self.path)) else {
            return false;
        };
        meta.st_ino() != current.inode
    }
}

impl Current {
    fn at(mut file: File, offset: u64) -> io::Result<Self> {
        let inode = file.metadata()?.st_ino();
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            reader: BufReader::with_capacity(64 * 1024, file),
            inode,
            partial: Vec::new(),
            is_live: true,
        })
    }

    /// One complete line without its newline, or none while its end is not written.
    fn read_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let room = MAX_LINE_BYTES.saturating_sub(self.partial.len() as u64);
        self.reader.by_ref().take(room.max(1)).read_until(b'\n', &mut self.partial)?;
        if self.partial.last() == Some(&b'\n') || self.partial.len() as u64 >= MAX_LINE_BYTES {
            let mut line = std::mem::take(&mut self.partial);
            line.pop();
            return Ok(Some(line));
        }
        Ok(None)
    }
}

/// Rotated files that exist, oldest first.
fn rotated_files(path: &Path) -> Vec<PathBuf> {
    let numbered = |n: u32| PathBuf::from(format!("{}.{n}", path.display()));
    let mut files: Vec<_> = (1..).map(numbered).take_while(|p| p.exists()).collect();
    files.reverse();
    files
}

/// The offset behind the last newline.
fn complete_end(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = [0u8; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..usize::try_from(end - start).expect("at most one block")];
        file.read_exact_at(part, start)?;
        if let Some(at) = part.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Puts admitted records before `end` to the front of `found` until it holds `tail`.
fn collect_backwards(
    file: &File,
    end: u64,
    tail: usize,
    query: &LogQuery,
    found: &mut VecDeque<LogRecord>,
) -> io::Result<()> {
    let mut offset = end;
    let mut rest: Vec<u8> = Vec::new();
    let mut block = vec![0u8; 64 * 1024];
    while offset > 0 && found.len() < tail {
        let start = offset.saturating_sub(block.len() as u64);
        let length = usize::try_from(offset - start).expect("at most one block");
        file.read_exact_at(&mut block[..length], start)?;
        let mut joined = block[..length].to_vec();
        joined.append(&mut rest);
        let mut lines: Vec<&[u8]> = joined.split(|b| *b == b'\n').collect();
        // The first piece may be the end of a line that begins in the block before.
        let head = if start > 0 { lines.remove(0).to_vec() } else { Vec::new() };
        for line in lines.into_iter().rev().filter(|line| !line.is_empty()) {
            let Ok(record) = serde_json::from_slice::<LogRecord>(line) else { continue };
            if query.admits(&record) {
                found.push_front(record);
                if found.len() == tail {
                    return Ok(());
                }
            }
        }
        rest = head;
        offset = start;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    fn line(n: usize) -> String {
        format!(
            "{{\"log\":\"line {n}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:{:02}Z\"}}\n",
            n % 60
        )
    }

    fn texts(records: &[LogRecord]) -> Vec<String> {
        records.iter().map(|r| r.log.trim_end().to_owned()).collect()
    }

    fn query() -> LogQuery {
        LogQuery { stdout: true, stderr: true, ..LogQuery::default() }
    }

    #[test]
    fn reads_rotated_files_in_order_and_follows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(dir.path().join("log.2"), line(0)).unwrap();
        fs::write(dir.path().join("log.1"), line(1)).unwrap();
        fs::write(&path, line(2)).unwrap();
        let mut reader = LogReader::open(&path, query()).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), ["line 0", "line 1", "line 2"]);
        assert!(reader.next_batch(10).unwrap().is_empty());
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        let next = line(3);
        file.write_all(&next.as_bytes()[..10]).unwrap();
        assert!(reader.next_batch(10).unwrap().is_empty(), "half a line is not a record");
        file.write_all(&next.as_bytes()[10..]).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), ["line 3"]);
        fs::rename(&path, dir.path().join("log.1")).unwrap();
        fs::write(&path, line(4)).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), ["line 4"]);
    }

    #[test]
    fn tail_spans_files_and_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let many: String = (0..5000).map(line).collect();
        fs::write(dir.path().join("log.1"), &many).unwrap();
        fs::write(&path, line(5000)).unwrap();
        for tail in [0, 1, 2, 3000] {
            let query = LogQuery { tail: Some(tail), ..query() };
            let mut reader = LogReader::open(&path, query).unwrap();
            let found = texts(&reader.next_batch(10_000).unwrap());
            let wanted: Vec<_> = (5001 - tail..5001).map(|n| format!("line {n}")).collect();
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn since_and_until() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, (0..10).map(line).collect::<String>()).unwrap();
        let query = LogQuery {
            since_nanos: parse_rfc3339("2026-01-01T00:00:03Z"),
            until_nanos: parse_rfc3339("2026-01-01T00:00:05Z"),
            ..query()
        };
        let mut reader = LogReader::open(&path, query).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), ["line 3", "line 4", "line 5"]);
        assert!(reader.is_finished());
    }

    #[test]
    fn a_damaged_line_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, format!("garbage\n{}", line(1))).unwrap();
        let mut reader = LogReader::open(&path, query()).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), ["line 1"]);
        assert!(
            LogReader::open(&dir.path().join("none"), query())
                .unwrap()
                .next_batch(1)
                .unwrap()
                .is_empty()
        );
    }
}
