//! A whole log: every file of it in order, across rotations.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{LogPosition, LogQuery, LogRecord, backwards::Tail, source::Source};
use crate::{
    Format,
    files::{self, Rotated},
};

/// Reads one container's log from the oldest kept file to the newest, then onwards as it grows.
///
/// Synchronous; run it on a blocking thread. [`LogReader::next_batch`] returns an empty batch at the
/// present end; call again when the file has changed. Files are opened when they are listed, so
/// that a rotation takes nothing away from a reader that has begun.
pub struct LogReader {
    path: PathBuf,
    format: Format,
    query: LogQuery,
    backlog: VecDeque<LogRecord>,
    current: Option<Source>,
    /// What follows `current`, oldest first.
    next: VecDeque<Source>,
    stop: Option<LogPosition>,
    is_finished: bool,
}

impl LogReader {
    /// Opens the log at `path` and positions by the query's `tail`.
    ///
    /// # Errors
    /// Those of opening and reading; a log that does not exist yet is empty.
    pub fn open(path: &Path, format: Format, query: LogQuery) -> io::Result<Self> {
        let (rotated, live) = list(path)?;
        let mut reader = Self {
            path: path.to_owned(),
            format,
            query,
            backlog: VecDeque::new(),
            current: None,
            next: VecDeque::new(),
            stop: None,
            is_finished: false,
        };
        match reader.query.tail {
            Some(wanted) => reader.seek_tail(wanted, rotated, live)?,
            None => {
                for rotated in rotated.into_iter().rev() {
                    reader.next.push_back(Source::rotated(format, rotated)?);
                }
                if let Some(file) = live {
                    reader.next.push_back(Source::live(format, file, 0)?);
                }
            }
        }
        Ok(reader)
    }

    /// Whether no further record can come: `until` or the position to stop at has been passed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Ends at a position, which must have been written already. A reader that has ended at an
    /// earlier one goes on.
    pub fn stop_at(&mut self, position: LogPosition) {
        self.stop = Some(position);
        self.is_finished = false;
    }

    /// Ends where the log ends now, however fast it grows.
    ///
    /// # Errors
    /// Those of asking; a log that does not exist yet has no end.
    pub fn stop_at_present_end(&mut self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(metadata) => {
                self.stop_at(LogPosition { inode: metadata.ino(), offset: metadata.len() });
                Ok(())
            }
            Err(error) => files::ignore_missing(Err(error)),
        }
    }

    /// Takes back what [`LogReader::stop_at`] said.
    pub fn go_on(&mut self) {
        self.stop = None;
        self.is_finished = false;
    }

    /// Returns up to `limit` records, fewer or none at the present end.
    ///
    /// # Errors
    /// Those of reading. A damaged record is skipped.
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

    /// Skips to the last `wanted` admitted records by reading backwards from the end.
    fn seek_tail(
        &mut self,
        wanted: usize,
        rotated: Vec<Rotated>,
        live: Option<File>,
    ) -> io::Result<()> {
        let mut tail =
            Tail { format: self.format, query: &self.query, wanted, found: VecDeque::new() };
        if let Some(file) = live {
            let end = tail.take_file(file.try_clone()?)?;
            self.current = Some(Source::live(self.format, file, end)?);
        }
        for rotated in rotated {
            if tail.is_complete() {
                break;
            }
            tail.take_rotated(rotated)?;
        }
        self.backlog = tail.found;
        Ok(())
    }

    fn next_record(&mut self) -> io::Result<Option<LogRecord>> {
        loop {
            let Some(current) = &mut self.current else {
                self.current = self.next.pop_front();
                if self.current.is_none() && !self.open_live()? {
                    return Ok(None);
                }
                continue;
            };
            if self.stop.is_some_and(|stop| has_reached(current.position(), stop)) {
                self.is_finished = true;
                return Ok(None);
            }
            if let Some(record) = current.next_record()? {
                return Ok(Some(record));
            }
            if !self.next.is_empty() {
                self.current = None;
            } else if !self.find_successors()? {
                // Everything that was written before the position is behind us.
                self.is_finished = self.stop.is_some();
                return Ok(None);
            }
            // With successors found just now the file is read once more: its last records may
            // have come between our reaching its end and the rotation.
        }
    }

    fn open_live(&mut self) -> io::Result<bool> {
        let Some(file) = files::open_if_there(&self.path)? else { return Ok(false) };
        self.current = Some(Source::live(self.format, file, 0)?);
        Ok(true)
    }

    /// Opens the files that came after the current one, if it was rotated away.
    fn find_successors(&mut self) -> io::Result<bool> {
        let Some(current) = &self.current else { return Ok(false) };
        let inode = current.position().inode;
        match fs::metadata(&self.path) {
            Ok(metadata) if metadata.ino() == inode => return Ok(false),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        let (rotated, live) = list(&self.path)?;
        if let Some(file) = live {
            self.next.push_front(Source::live(self.format, file, 0)?);
        }
        for rotated in rotated {
            let source = Source::rotated(self.format, rotated)?;
            if source.position().inode == inode {
                break;
            }
            self.next.push_front(source);
        }
        Ok(!self.next.is_empty())
    }
}

fn has_reached(position: LogPosition, stop: LogPosition) -> bool {
    position.inode == stop.inode && position.offset >= stop.offset
}

/// Opens every file of a log: the predecessors, newest first, and the current one.
fn list(path: &Path) -> io::Result<(Vec<Rotated>, Option<File>)> {
    let lock = match files::Lock::shared(path) {
        Ok(lock) => lock,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), None)),
        Err(error) => return Err(error),
    };
    let listed = (files::open_rotated(path)?, files::open_if_there(path)?);
    drop(lock);
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Write as _};

    use super::*;
    use crate::{
        LogFile, LogFileSettings, Message, Rotation, StreamKind, Timestamp, compress::compress,
    };

    fn line(n: usize) -> String {
        format!(
            "{{\"log\":\"line {n}\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:{:02}Z\"}}\n",
            n % 60
        )
    }

    fn texts(records: &[LogRecord]) -> Vec<String> {
        records
            .iter()
            .map(|r| String::from_utf8(r.log.clone()).unwrap().trim_end().into())
            .collect()
    }

    fn query() -> LogQuery {
        LogQuery { stdout: true, stderr: true, ..LogQuery::default() }
    }

    fn open(path: &Path, query: LogQuery) -> LogReader {
        LogReader::open(path, Format::Json, query).unwrap()
    }

    fn writer(path: &Path, format: Format, rotation: Rotation) -> LogFile {
        let attributes = BTreeMap::new();
        LogFile::open(LogFileSettings { path: path.to_owned(), format, rotation, attributes })
            .unwrap()
    }

    fn write(log: &mut LogFile, numbers: std::ops::Range<usize>) {
        let mut buffer = Vec::new();
        let mut batch = log.batch(StreamKind::Stdout, &mut buffer);
        for n in numbers {
            let text = format!("line {n}");
            let time = Timestamp { seconds: n as i64, nanos: 0 };
            batch.push(Message { text: text.as_bytes(), time, part: None });
        }
        batch.finish().unwrap();
    }

    fn lines(numbers: std::ops::Range<usize>) -> Vec<String> {
        numbers.map(|n| format!("line {n}")).collect()
    }

    const NEVER: Rotation = Rotation { max_size_bytes: None, max_files: 1, compressor: None };

    #[test]
    fn reads_rotated_files_in_order_and_follows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(dir.path().join("log.2"), line(0)).unwrap();
        fs::write(dir.path().join("log.1"), line(1)).unwrap();
        fs::write(&path, line(2)).unwrap();
        let mut reader = open(&path, query());
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
    fn a_follower_loses_nothing_however_many_rotations_and_compressions_come_between() {
        for format in [Format::Json, Format::Local] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let rotation = Rotation { max_size_bytes: Some(300), max_files: 100, compressor: None };
            let mut log = writer(&path, format, rotation);
            write(&mut log, 0..2);
            let mut reader = LogReader::open(&path, format, query()).unwrap();
            assert_eq!(texts(&reader.next_batch(10).unwrap()), lines(0..2));
            write(&mut log, 2..60);
            for number in [1, 2, 5] {
                let rotated = fs::metadata(files::numbered(&path, number)).unwrap();
                compress(&path, rotated.ino()).unwrap();
            }
            assert_eq!(texts(&reader.next_batch(100).unwrap()), lines(2..60));
            write(&mut log, 60..61);
            assert_eq!(texts(&reader.next_batch(100).unwrap()), lines(60..61));
            let mut again = LogReader::open(&path, format, query()).unwrap();
            assert_eq!(texts(&again.next_batch(100).unwrap()), lines(0..61));
        }
    }

    #[test]
    fn tail_spans_files_blocks_and_compression() {
        for format in [Format::Json, Format::Local] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let rotation =
                Rotation { max_size_bytes: Some(100_000), max_files: 9, compressor: None };
            let mut log = writer(&path, format, rotation);
            write(&mut log, 0..5001);
            if let Ok(rotated) = fs::metadata(files::numbered(&path, 1)) {
                compress(&path, rotated.ino()).unwrap();
            }
            for wanted in [0, 1, 2, 3000, 9000] {
                let query = LogQuery { tail: Some(wanted), ..query() };
                let mut reader = LogReader::open(&path, format, query).unwrap();
                let found = texts(&reader.next_batch(10_000).unwrap());
                assert_eq!(found, lines(5001usize.saturating_sub(wanted)..5001));
                assert!(reader.next_batch(1).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn a_record_of_which_a_part_is_missing_waits_for_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = writer(&path, Format::Local, NEVER);
        write(&mut log, 0..4);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 6]).unwrap();
        let query = LogQuery { tail: Some(2), ..query() };
        let mut reader = LogReader::open(&path, Format::Local, query).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), lines(1..3));
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&whole[whole.len() - 6..]).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), lines(3..4));
    }

    #[test]
    fn a_reader_stops_at_a_position_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let rotation = Rotation { max_size_bytes: Some(300), max_files: 100, compressor: None };
        let mut log = writer(&path, Format::Json, rotation);
        write(&mut log, 0..5);
        let mut reader = open(&path, query());
        write(&mut log, 5..11);
        let position = log.position();
        write(&mut log, 11..40);
        reader.stop_at(position);
        assert_eq!(texts(&reader.next_batch(100).unwrap()), lines(0..11));
        assert!(reader.is_finished());
        reader.stop_at_present_end().unwrap();
        write(&mut log, 40..50);
        assert_eq!(texts(&reader.next_batch(100).unwrap()), lines(11..40));
        assert!(reader.is_finished());
        reader.go_on();
        assert_eq!(texts(&reader.next_batch(100).unwrap()), lines(40..50));
    }

    #[test]
    fn since_and_until() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, (0..10).map(line).collect::<String>()).unwrap();
        let query = LogQuery {
            since: Timestamp::parse("2026-01-01T00:00:03Z"),
            until: Timestamp::parse("2026-01-01T00:00:05Z"),
            ..query()
        };
        let mut reader = open(&path, query);
        assert_eq!(texts(&reader.next_batch(10).unwrap()), ["line 3", "line 4", "line 5"]);
        assert!(reader.is_finished());
    }

    #[test]
    fn damage_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, format!("garbage\n{}", line(1))).unwrap();
        assert_eq!(texts(&open(&path, query()).next_batch(10).unwrap()), ["line 1"]);
        fs::remove_file(&path).unwrap();
        assert!(open(&path, query()).next_batch(1).unwrap().is_empty());

        write(&mut writer(&path, Format::Local, NEVER), 0..2);
        let mut bytes = b"\0\0\0\x05damage".to_vec();
        bytes.extend_from_slice(&fs::read(&path).unwrap());
        fs::write(&path, bytes).unwrap();
        let mut reader = LogReader::open(&path, Format::Local, query()).unwrap();
        assert_eq!(texts(&reader.next_batch(10).unwrap()), lines(0..2));
    }
}
