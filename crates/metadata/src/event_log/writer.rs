//! The one that appends.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{Event, EventLogError, MAX_LINE_BYTES, SEGMENT_BYTES, SEGMENTS, segments};

/// Appends events to a log.
pub struct Writer {
    dir: PathBuf,
    segment: Option<(PathBuf, File, u64)>,
    last: u64,
    segment_bytes: u64,
}

impl Writer {
    /// Opens or makes the log in `dir`.
    ///
    /// # Errors
    /// [`EventLogError::File`].
    pub fn open(dir: &Path) -> Result<Self, EventLogError> {
        Self::with_segments_of(dir, SEGMENT_BYTES)
    }

    fn with_segments_of(dir: &Path, segment_bytes: u64) -> Result<Self, EventLogError> {
        let failed = |source| EventLogError::File {
            action: "make the directory",
            path: dir.to_owned(),
            source,
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mut last = 0;
        for (first, path) in segments(dir)?.iter().rev() {
            // Its name alone says that numbers up to it were given.
            last = last_number(path)?.unwrap_or(*first);
            if last > 0 {
                break;
            }
        }
        Ok(Self { dir: dir.to_owned(), segment: None, last, segment_bytes })
    }

    /// The number of the newest event; 0 before the first.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Appends events, whose numbers follow each other. One write.
    ///
    /// # Errors
    /// [`EventLogError`]; what was not written is lost.
    pub fn append(&mut self, events: &[impl AsRef<Event>]) -> Result<(), EventLogError> {
        let mut lines = Vec::new();
        let Some(first) = events.first() else { return Ok(()) };
        for event in events {
            let event = event.as_ref();
            serde_json::to_writer(&mut lines, event)?;
            lines.push(b'\n');
            self.last = self.last.max(event.number);
        }
        let (path, file, size) = match &mut self.segment {
            Some(segment) if segment.2 < self.segment_bytes => segment,
            _ => {
                let segment = self.begin(first.as_ref().number)?;
                self.segment.insert(segment)
            }
        };
        *size += lines.len() as u64;
        let outcome = file.write_all(&lines).map_err(|source| EventLogError::File {
            action: "append to",
            path: path.clone(),
            source,
        });
        if outcome.is_err() {
            // A line may have been cut off: nothing may follow it.
            self.segment = None;
        }
        outcome
    }

    /// Begins a segment and drops those that are too many.
    fn begin(&mut self, number: u64) -> Result<(PathBuf, File, u64), EventLogError> {
        let path = self.dir.join(format!("{number:020}.log"));
        let failed = |action| {
            let path = path.clone();
            move |source| EventLogError::File { action, path, source }
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("create"))?;
        let all = segments(&self.dir)?;
        for (_, old) in all.iter().take(all.len().saturating_sub(SEGMENTS)) {
            std::fs::remove_file(old).map_err(failed("remove what is older than"))?;
        }
        Ok((path, file, 0))
    }
}

/// The number of the last whole event of a segment.
fn last_number(path: &Path) -> Result<Option<u64>, EventLogError> {
    let failed = |source| EventLogError::File { action: "read", path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let (mut line, mut last) = (Vec::new(), None);
    while reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(failed)? > 0 {
        if let Ok(event) = serde_json::from_slice::<Event>(&line) {
            last = Some(event.number);
        }
        line.clear();
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::{Reader, tests::event};

    #[test]
    fn numbers_go_on_and_a_torn_line_is_no_event() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path()).unwrap();
        assert_eq!(writer.last(), 0);
        writer.append(&[event(1), event(2)]).unwrap();
        let (_, path) = segments(dir.path()).unwrap().remove(0);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"n\":3,").unwrap();
        let mut writer = Writer::open(dir.path()).unwrap();
        assert_eq!(writer.last(), 2);
        writer.append(&[event(3)]).unwrap();
        let mut reader = Reader::after(dir.path(), 0).unwrap();
        let numbers: Vec<_> = reader.read(10, 3).unwrap().iter().map(|e| e.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn the_oldest_segments_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::with_segments_of(dir.path(), 1).unwrap();
        for number in 1..=20 {
            writer.append(&[event(number)]).unwrap();
        }
        let kept = segments(dir.path()).unwrap();
        assert_eq!((kept.len(), kept[0].0), (SEGMENTS, 5));
        let mut reader = Reader::after(dir.path(), 0).unwrap();
        assert_eq!(reader.read(1, 20).unwrap()[0].number, 5);
    }
}
