//! One file of a log, read forwards.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
};

use super::{LogPosition, LogRecord};
use crate::{
    Format, compress, entry,
    entry::{MAX_ENTRY_BYTES, SIZE_BYTES},
    files::Rotated,
    json,
};

/// A JSON line longer than this is damage: messages have 16 KiB, which escape at most six-fold.
pub(super) const MAX_LINE_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 64 << 10;

/// What stands at the beginning of some bytes.
pub(super) enum Piece {
    /// A record whose body is this range; it ends at the second number.
    Record(std::ops::Range<usize>, usize),
    /// So many bytes that are no record.
    Damage(usize),
    /// Not enough to say.
    Incomplete,
}

/// Looks for a record at the beginning of `bytes`.
pub(super) fn next_piece(format: Format, bytes: &[u8]) -> Piece {
    match format {
        Format::Json => match bytes.iter().position(|b| *b == b'\n') {
            Some(end) => Piece::Record(0..end, end + 1),
            None if bytes.len() >= MAX_LINE_BYTES => Piece::Damage(bytes.len()),
            None => Piece::Incomplete,
        },
        Format::Local => {
            let Some(size) = bytes.first_chunk::<SIZE_BYTES>() else { return Piece::Incomplete };
            let size = u32::from_be_bytes(*size) as usize;
            let end = SIZE_BYTES + size;
            let begins_badly = bytes.get(SIZE_BYTES).is_some_and(|b| *b != entry::FIRST_BYTE);
            if size > MAX_ENTRY_BYTES || begins_badly {
                return Piece::Damage(1);
            }
            match bytes.get(end..end + SIZE_BYTES) {
                Some(trailer) if *trailer == bytes[..SIZE_BYTES] => {
                    Piece::Record(SIZE_BYTES..end, end + SIZE_BYTES)
                }
                Some(_) => Piece::Damage(1),
                None => Piece::Incomplete,
            }
        }
    }
}

/// Reads a record's body.
pub(super) fn decode(format: Format, body: &[u8]) -> Option<LogRecord> {
    match format {
        Format::Json => json::decode(body),
        Format::Local => entry::decode(body),
    }
}

/// A file on its way through.
pub(super) struct Source {
    format: Format,
    reader: Box<dyn Read + Send>,
    inode: u64,
    /// Of the next record.
    offset: u64,
    buffer: Vec<u8>,
    start: usize,
}

impl Source {
    /// Takes the current file, to be read from `offset`.
    pub(super) fn live(format: Format, mut file: File, offset: u64) -> io::Result<Self> {
        let inode = file.metadata()?.ino();
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { offset, ..Self::new(format, Box::new(file), inode) })
    }

    /// Takes a predecessor, to be read from its beginning.
    pub(super) fn rotated(format: Format, rotated: Rotated) -> io::Result<Self> {
        let own = rotated.file.metadata()?.ino();
        if rotated.is_compressed {
            let (reader, inode) = compress::decompress(rotated.file);
            return Ok(Self::new(format, Box::new(reader), inode.unwrap_or(own)));
        }
        Ok(Self::new(format, Box::new(rotated.file), own))
    }

    fn new(format: Format, reader: Box<dyn Read + Send>, inode: u64) -> Self {
        Self { format, reader, inode, offset: 0, buffer: Vec::new(), start: 0 }
    }

    /// Where the next record is.
    pub(super) fn position(&self) -> LogPosition {
        LogPosition { inode: self.inode, offset: self.offset }
    }

    /// Reads one record; `None` at the present end. Damage is passed over.
    pub(super) fn next_record(&mut self) -> io::Result<Option<LogRecord>> {
        loop {
            let rest = &self.buffer[self.start..];
            match next_piece(self.format, rest) {
                Piece::Record(body, end) => {
                    let record = decode(self.format, &rest[body]);
                    self.advance(end);
                    if record.is_some() {
                        return Ok(record);
                    }
                }
                Piece::Damage(length) => self.advance(length),
                Piece::Incomplete => {
                    if self.fill()? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn advance(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let used = self.buffer.len();
        self.buffer.resize(used + READ_BYTES, 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[used..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A compressed file that was cut off ends where it was cut.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break Ok(0),
                other => break other,
            }
        };
        self.buffer.truncate(used + read.as_ref().copied().unwrap_or(0));
        read
    }
}
