//! A log in a file: records in one of the two formats, and rotation by size.

use std::{collections::BTreeMap, io, path::PathBuf};

use crate::{
    LogPosition, Message, Rotation, StreamKind, Timestamp, entry, json, rotation::RotatingFile,
};

/// Encoded bytes that are gathered before a write.
const FLUSH_FROM_BYTES: usize = 192 << 10;

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Docker's `json-file`.
    Json,
    /// Docker's `local`.
    Local,
}

/// What a log file is opened with.
#[derive(Debug, Clone)]
pub struct LogFileSettings {
    /// The current file.
    pub path: PathBuf,
    /// How records are written.
    pub format: Format,
    /// When it gives way to the next.
    pub rotation: Rotation,
    /// Stand in every record.
    pub attributes: BTreeMap<String, String>,
}

/// A log that is written.
#[derive(Debug)]
pub struct LogFile {
    file: RotatingFile,
    format: Format,
    /// Encoded once.
    attributes: Box<[u8]>,
}

impl LogFile {
    /// Opens or makes the file; new messages go to its end.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn open(settings: LogFileSettings) -> io::Result<Self> {
        let LogFileSettings { path, format, rotation, attributes } = settings;
        let attributes = match format {
            Format::Json => json::encode_attributes(&attributes),
            Format::Local => entry::encode_attributes(&attributes),
        };
        Ok(Self { file: RotatingFile::open(path, rotation)?, format, attributes })
    }

    /// Starts a batch of messages of one stream.
    pub fn batch<'a>(&'a mut self, stream: StreamKind, buffer: &'a mut Vec<u8>) -> Batch<'a> {
        buffer.clear();
        Batch { log: self, stream, buffer, suffix: Vec::new(), suffix_time: None, result: Ok(()) }
    }

    /// Opens the file anew after something else has moved it away.
    ///
    /// # Errors
    /// Those of opening it; the old file stays in use then.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file.reopen()
    }

    /// Where the next record will be.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        self.file.position()
    }
}

/// Messages that are written together.
#[derive(Debug)]
pub struct Batch<'a> {
    log: &'a mut LogFile,
    stream: StreamKind,
    buffer: &'a mut Vec<u8>,
    /// Everything behind the text; the same for all messages of one read.
    suffix: Vec<u8>,
    suffix_time: Option<Timestamp>,
    result: io::Result<()>,
}

impl Batch<'_> {
    /// Adds a message. An error is kept for [`Batch::finish`]; later messages are still tried.
    pub fn push(&mut self, message: Message<'_>) {
        let is_full = self.log.file.is_full(self.buffer.len());
        if is_full || self.buffer.len() >= FLUSH_FROM_BYTES {
            self.flush();
        }
        if is_full {
            let rotated = self.log.file.rotate();
            self.note(rotated);
        }
        match self.log.format {
            Format::Json => self.push_json(&message),
            Format::Local => {
                entry::encode(self.buffer, self.stream, &message, &self.log.attributes);
            }
        }
    }

    fn push_json(&mut self, message: &Message<'_>) {
        if self.suffix_time != Some(message.time) {
            self.suffix.clear();
            let attributes = &self.log.attributes;
            json::encode_suffix(&mut self.suffix, self.stream, attributes, message.time);
            self.suffix_time = Some(message.time);
        }
        json::encode(self.buffer, message, &self.suffix);
    }

    fn flush(&mut self) {
        let written = self.log.file.append(self.buffer);
        self.buffer.clear();
        self.note(written);
    }

    fn note(&mut self, outcome: io::Result<()>) {
        if self.result.is_ok() {
            self.result = outcome;
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first error of the batch: messages of it may be missing.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush();
        self.result
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::Part;

    const TIME: Timestamp = Timestamp { seconds: 1_795_458_282, nanos: 123_456_789 };

    fn never() -> Rotation {
        Rotation { max_files: 1, ..Rotation::default() }
    }

    fn open(
        path: PathBuf,
        rotation: Rotation,
        attributes: &BTreeMap<String, String>,
    ) -> io::Result<LogFile> {
        let (format, attributes) = (Format::Json, attributes.clone());
        LogFile::open(LogFileSettings { path, format, rotation, attributes })
    }

    fn write(file: &mut LogFile, stream: StreamKind, messages: &[(&str, bool)]) {
        let mut buffer = Vec::new();
        let mut batch = file.batch(stream, &mut buffer);
        for (text, is_complete) in messages {
            let part = Part { id: [0; 32], ordinal: 1, is_last: false };
            let part = (!is_complete).then_some(part);
            batch.push(Message { text: text.as_bytes(), part, time: TIME });
        }
        batch.finish().unwrap();
    }

    #[test]
    fn the_format_is_dockers_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = open(path.clone(), never(), &BTreeMap::new()).unwrap();
        write(&mut file, StreamKind::Stdout, &[("hello <b>", true), ("", true)]);
        write(&mut file, StreamKind::Stderr, &[("no newline", false)]);
        let attributes = BTreeMap::from([("b".into(), "2&".into()), ("a".into(), "1".into())]);
        let mut file = open(path.clone(), never(), &attributes).unwrap();
        write(&mut file, StreamKind::Stdout, &[("x", true)]);
        let expected = concat!(
            r#"{"log":"hello \u003cb\u003e\n","stream":"stdout","time":"2026-11-23T18:24:42.123456789Z"}"#,
            "\n",
            r#"{"log":"\n","stream":"stdout","time":"2026-11-23T18:24:42.123456789Z"}"#,
            "\n",
            r#"{"log":"no newline","stream":"stderr","time":"2026-11-23T18:24:42.123456789Z"}"#,
            "\n",
            r#"{"log":"x\n","stream":"stdout","attrs":{"a":"1","b":"2\u0026"},"time":"2026-11-23T18:24:42.123456789Z"}"#,
            "\n",
        );
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn rotation_keeps_the_newest_files_and_loses_no_line_between_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let rotation = Rotation { max_size_bytes: Some(200), max_files: 3, compressor: None };
        let mut file = open(path.clone(), rotation, &BTreeMap::new()).unwrap();
        let texts: Vec<String> = (0..20).map(|n| format!("line {n:02}")).collect();
        let messages: Vec<_> = texts.iter().map(|t| (t.as_str(), true)).collect();
        write(&mut file, StreamKind::Stdout, &messages);
        let read = |suffix: &str| fs::read_to_string(format!("{}{suffix}", path.display()));
        // A line has 79 bytes: three fit before a file is at its limit.
        let all = read(".2").unwrap() + &read(".1").unwrap() + &read("").unwrap();
        let kept: Vec<_> = all.lines().map(|l| l[8..15].to_owned()).collect();
        assert_eq!(kept, texts[12..], "the oldest are dropped, the rest follow each other");
        assert!(read(".3").is_err());
    }

    #[test]
    fn one_file_starts_anew_and_a_reader_keeps_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let rotation = Rotation { max_size_bytes: Some(1), max_files: 1, compressor: None };
        let mut file = open(path.clone(), rotation, &BTreeMap::new()).unwrap();
        write(&mut file, StreamKind::Stdout, &[("one", true)]);
        let reader = File::open(&path).unwrap();
        write(&mut file, StreamKind::Stdout, &[("two", true)]);
        assert!(fs::read_to_string(&path).unwrap().contains("two"));
        assert!(io::read_to_string(reader).unwrap().contains("one"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn reopening_follows_an_external_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = open(path.clone(), never(), &BTreeMap::new()).unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        file.reopen().unwrap();
        write(&mut file, StreamKind::Stdout, &[("new", true)]);
        assert!(fs::read_to_string(path).unwrap().contains("new"));
    }

    #[test]
    fn a_full_disk_is_reported_and_leaves_no_half_line() {
        let mut file = open("/dev/full".into(), never(), &BTreeMap::new()).expect("a device");
        let mut buffer = Vec::new();
        let mut batch = file.batch(StreamKind::Stdout, &mut buffer);
        batch.push(Message { text: b"x", part: None, time: TIME });
        assert!(batch.finish().is_err());
    }
}
