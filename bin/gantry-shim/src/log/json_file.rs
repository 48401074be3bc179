//! Docker's `json-file`: one JSON object per message, and rotation by size.
//!
//! ```text
//! {"log":"text\n","stream":"stdout","attrs":{"k":"v"},"time":"2026-11-23T18:24:42.123456789Z"}
//! ```
//! `attrs` is left out when empty; `log` ends in `\n` only when the line is complete. As in
//! Docker, a file is rotated before the message that finds it at or above the limit.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{Message, Timestamp, escape};
use crate::stream::StreamKind;

/// Encoded bytes that are gathered before a write.
const FLUSH_FROM_BYTES: usize = 192 << 10;

/// When a file gives way to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// `None`: never.
    pub max_size_bytes: Option<u64>,
    /// The current one included; at least 1.
    pub max_files: u32,
}

/// The current file and its predecessors.
#[derive(Debug)]
pub struct JsonFile {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    rotation: Rotation,
    /// `,"attrs":{…}` or nothing.
    attributes: Box<[u8]>,
}

impl JsonFile {
    /// Opens or makes the file; new messages go to its end.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn open(
        path: PathBuf,
        rotation: Rotation,
        attributes: &BTreeMap<String, String>,
    ) -> io::Result<Self> {
        let file = open_append(&path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self { path, file, size_bytes, rotation, attributes: encode(attributes) })
    }

    /// Starts a batch of messages of one stream.
    pub fn batch<'a>(&'a mut self, stream: StreamKind, buffer: &'a mut Vec<u8>) -> Batch<'a> {
        buffer.clear();
        Batch { file: self, stream, buffer, suffix: Vec::new(), suffix_time: None, result: Ok(()) }
    }

    /// Opens the file anew after something else has moved it away.
    ///
    /// # Errors
    /// Those of opening it; the old file stays in use then.
    pub fn reopen(&mut self) -> io::Result<()> {
        let file = open_append(&self.path)?;
        self.size_bytes = file.metadata()?.len();
        self.file = file;
        Ok(())
    }

    /// Writes whole messages; what did not fit is cut off again, so that lines stay whole.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = (&self.file).write_all(bytes);
        match written {
            Ok(()) => self.size_bytes += bytes.len() as u64,
            Err(_) => self.file.set_len(self.size_bytes)?,
        }
        written
    }

    fn is_full(&self, pending: usize) -> bool {
        self.rotation.max_size_bytes.is_some_and(|max| self.size_bytes + pending as u64 >= max)
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.rotation.max_files < 2 {
            // A reader may still be at work on the old file: a new one, not a truncated one.
            ignore_missing(fs::remove_file(&self.path))?;
        } else {
            for number in (1..self.rotation.max_files - 1).rev() {
                ignore_missing(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
            }
            ignore_missing(fs::rename(&self.path, self.numbered(1)))?;
        }
        self.file = open_append(&self.path)?;
        self.size_bytes = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn encode(attributes: &BTreeMap<String, String>) -> Box<[u8]> {
    if attributes.is_empty() {
        return Box::default();
    }
    let mut out = b",\"attrs\":{".to_vec();
    for (index, (key, value)) in attributes.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        escape(&mut out, key.as_bytes());
        out.extend_from_slice(b"\":\"");
        escape(&mut out, value.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
    out.into()
}

/// Messages that are written together.
#[derive(Debug)]
pub struct Batch<'a> {
    file: &'a mut JsonFile,
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
        let is_full = self.file.is_full(self.buffer.len());
        if is_full || self.buffer.len() >= FLUSH_FROM_BYTES {
            self.flush();
        }
        if is_full {
            let rotated = self.file.rotate();
            self.note(rotated);
        }
        if self.suffix_time != Some(message.time) {
            self.suffix.clear();
            self.write_suffix(message.time);
        }
        self.buffer.extend_from_slice(b"{\"log\":\"");
        escape(self.buffer, message.text);
        self.buffer.extend_from_slice(if message.is_complete { b"\\n" } else { b"" });
        self.buffer.extend_from_slice(&self.suffix);
    }

    fn write_suffix(&mut self, time: Timestamp) {
        self.suffix.extend_from_slice(b"\",\"stream\":\"");
        self.suffix.extend_from_slice(self.stream.name().as_bytes());
        self.suffix.push(b'"');
        self.suffix.extend_from_slice(&self.file.attributes);
        self.suffix.extend_from_slice(b",\"time\":\"");
        time.write_to(&mut self.suffix);
        self.suffix.extend_from_slice(b"\"}\n");
        self.suffix_time = Some(time);
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            let written = self.file.append(self.buffer);
            self.note(written);
            self.buffer.clear();
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        if self.result.is_ok() {
            self.result = result;
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
    use super::*;

    const TIME: Timestamp = Timestamp { seconds: 1_795_458_282, nanos: 123_456_789 };

    fn never() -> Rotation {
        Rotation { max_size_bytes: None, max_files: 1 }
    }

    fn write(file: &mut JsonFile, stream: StreamKind, messages: &[(&str, bool)]) {
        let mut buffer = Vec::new();
        let mut batch = file.batch(stream, &mut buffer);
        for (text, is_complete) in messages {
            batch.push(Message { text: text.as_bytes(), is_complete: *is_complete, time: TIME });
        }
        batch.finish().unwrap();
    }

    #[test]
    fn the_format_is_dockers_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = JsonFile::open(path.clone(), never(), &BTreeMap::new()).unwrap();
        write(&mut file, StreamKind::Stdout, &[("hello <b>", true), ("", true)]);
        write(&mut file, StreamKind::Stderr, &[("no newline", false)]);
        let attributes = BTreeMap::from([("b".into(), "2&".into()), ("a".into(), "1".into())]);
        let mut file = JsonFile::open(path.clone(), never(), &attributes).unwrap();
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
        let rotation = Rotation { max_size_bytes: Some(200), max_files: 3 };
        let mut file = JsonFile::open(path.clone(), rotation, &BTreeMap::new()).unwrap();
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
        let rotation = Rotation { max_size_bytes: Some(1), max_files: 1 };
        let mut file = JsonFile::open(path.clone(), rotation, &BTreeMap::new()).unwrap();
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
        let mut file = JsonFile::open(path.clone(), never(), &BTreeMap::new()).unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        file.reopen().unwrap();
        write(&mut file, StreamKind::Stdout, &[("new", true)]);
        assert!(fs::read_to_string(path).unwrap().contains("new"));
    }

    #[test]
    fn a_full_disk_is_reported_and_leaves_no_half_line() {
        let mut file =
            JsonFile::open("/dev/full".into(), never(), &BTreeMap::new()).expect("a device");
        let mut buffer = Vec::new();
        let mut batch = file.batch(StreamKind::Stdout, &mut buffer);
        batch.push(Message { text: b"x", is_complete: true, time: TIME });
        assert!(batch.finish().is_err());
    }
}
