//! Those who read.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{Event, EventLogError, MAX_LINE_BYTES, Segment, segments};

/// Reads events in order, as far as they are wanted.
pub struct Reader {
    dir: PathBuf,
    open: Option<(u64, BufReader<File>)>,
    /// The number of the last event that was read or passed over.
    position: u64,
}

impl Reader {
    /// Reads the events that follow number `position`.
    ///
    /// # Errors
    /// [`EventLogError::File`].
    pub fn after(dir: &Path, position: u64) -> Result<Self, EventLogError> {
        Ok(Self { dir: dir.to_owned(), open: None, position })
    }

    /// Reads from the segment on that has the first events of time `since_nanos`; older ones of
    /// that segment are for the caller to pass over.
    ///
    /// # Errors
    /// [`EventLogError::File`].
    pub fn since(dir: &Path, since_nanos: i64) -> Result<Self, EventLogError> {
        let mut position = 0;
        for (first, path) in segments(dir)? {
            match first_time(&path)? {
                Some(time) if time >= since_nanos => break,
                _ => position = first.saturating_sub(1),
            }
        }
        Self::after(dir, position)
    }

    /// The number of the last event that was read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Up to `count` events, none beyond number `last`. None at all: there are no more.
    ///
    /// # Errors
    /// [`EventLogError::File`].
    pub fn read(&mut self, count: usize, last: u64) -> Result<Vec<Event>, EventLogError> {
        let mut events = Vec::new();
        while events.len() < count && self.position < last {
            match self.next_in_segment()? {
                Some(event) if event.number > last => {
                    self.position = last;
                }
                Some(event) if event.number > self.position => {
                    self.position = event.number;
                    events.push(event);
                }
                Some(_) => {}
                None if self.next_segment()? => {}
                None => break,
            }
        }
        Ok(events)
    }

    /// The next event of the open segment; what is no event is passed over.
    fn next_in_segment(&mut self) -> Result<Option<Event>, EventLogError> {
        let Some((_, reader)) = &mut self.open else { return Ok(None) };
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader
                .by_ref()
                .take(MAX_LINE_BYTES)
                .read_until(b'\n', &mut line)
                .map_err(|source| file_error("read a segment in", &self.dir, source))?;
            if length == 0 {
                return Ok(None);
            }
            if let Ok(event) = serde_json::from_slice(&line) {
                return Ok(Some(event));
            }
        }
    }

    /// Opens the segment that has the next event; whether there is another one.
    fn next_segment(&mut self) -> Result<bool, EventLogError> {
        let current = self.open.as_ref().map(|(first, _)| *first);
        let all = segments(&self.dir)?;
        let wanted = match current {
            Some(current) => all.into_iter().find(|(first, _)| *first > current),
            None => {
                let from = all.iter().rposition(|(first, _)| *first <= self.position + 1);
                all.into_iter().nth(from.unwrap_or(0))
            }
        };
        let Some((first, path)): Option<Segment> = wanted else { return Ok(false) };
        match File::open(&path) {
            Ok(file) => self.open = Some((first, BufReader::new(file))),
            // Dropped a moment ago for being too old.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.open = None;
                self.position = self.position.max(first);
            }
            Err(source) => return Err(file_error("open", &path, source)),
        }
        Ok(true)
    }
}

fn first_time(path: &Path) -> Result<Option<i64>, EventLogError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("open", path, source)),
    };
    let mut line = Vec::new();
    BufReader::new(file)
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|source| file_error("read", path, source))?;
    Ok(serde_json::from_slice::<Event>(&line).ok().map(|event| event.time_nanos))
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> EventLogError {
    EventLogError::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::{Writer, tests::event};

    /// Two segments: events 1 to 3 and 4 to 5, each at ten times its number.
    fn log() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for numbers in [1..=3, 4..=5] {
            let events: Vec<_> = numbers.map(event).collect();
            Writer::open(dir.path()).unwrap().append(&events).unwrap();
        }
        dir
    }

    fn numbers(reader: &mut Reader, count: usize, last: u64) -> Vec<u64> {
        reader.read(count, last).unwrap().iter().map(|event| event.number).collect()
    }

    #[test]
    fn from_a_number_on_in_pieces_and_no_further_than_wanted() {
        let dir = log();
        let mut reader = Reader::after(dir.path(), 1).unwrap();
        assert_eq!(numbers(&mut reader, 1, 9), [2]);
        assert_eq!(numbers(&mut reader, 9, 4), [3, 4]);
        assert_eq!(numbers(&mut reader, 9, 4), [0; 0]);
        let mut reader = Reader::after(dir.path(), 3).unwrap();
        assert_eq!(numbers(&mut reader, 9, 9), [4, 5]);
        assert_eq!(numbers(&mut reader, 9, 9), [0; 0]);
    }

    #[test]
    fn from_a_time_on() {
        let dir = log();
        let first = |since| {
            let mut reader = Reader::since(dir.path(), since).unwrap();
            numbers(&mut reader, 1, 9)
        };
        assert_eq!(first(0), [1]);
        assert_eq!(first(35), [1]);
        assert_eq!(first(41), [4]);
        let empty = tempfile::tempdir().unwrap();
        assert!(Reader::since(empty.path(), 0).unwrap().read(9, 9).unwrap().is_empty());
    }
}
