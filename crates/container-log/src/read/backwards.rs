//! The last records of a file, without reading all of it.

use std::{collections::VecDeque, fs::File, io, os::unix::fs::FileExt as _};

use super::{
    LogQuery, LogRecord,
    source::{Source, decode},
};
use crate::{
    Format,
    entry::{MAX_ENTRY_BYTES, SIZE_BYTES},
    files::Rotated,
};

const BLOCK_BYTES: usize = 64 << 10;

/// Records that are looked for, the newest at the back.
pub(super) struct Tail<'a> {
    pub(super) format: Format,
    pub(super) query: &'a LogQuery,
    pub(super) wanted: usize,
    pub(super) found: VecDeque<LogRecord>,
}

impl Tail<'_> {
    pub(super) fn is_complete(&self) -> bool {
        self.found.len() >= self.wanted
    }

    /// Puts the records of a predecessor in front of what was found.
    pub(super) fn take_rotated(&mut self, rotated: Rotated) -> io::Result<()> {
        if rotated.is_compressed {
            let source = Source::rotated(self.format, rotated)?;
            return self.take_forwards(source, u64::MAX);
        }
        self.take_file(rotated.file).map(drop)
    }

    /// Puts the records of a plain file in front of what was found; returns where its last whole
    /// record ends.
    pub(super) fn take_file(&mut self, file: File) -> io::Result<u64> {
        let size = file.metadata()?.len();
        match self.format {
            Format::Json => {
                let end = complete_end(&file, size)?;
                self.take_lines(&file, end)?;
                Ok(end)
            }
            Format::Local if is_record_end(&file, size)? => {
                self.take_entries(&file, size)?;
                Ok(size)
            }
            // The writer is in the middle of a record, or there is damage: from the beginning.
            Format::Local => {
                let end = last_record_end(file.try_clone()?)?;
                let source = Source::live(self.format, file, 0)?;
                self.take_forwards(source, end)?;
                Ok(end)
            }
        }
    }

    /// Reads all of a file up to an offset and keeps the end.
    fn take_forwards(&mut self, mut source: Source, end: u64) -> io::Result<()> {
        let room = self.wanted - self.found.len();
        let mut last = VecDeque::new();
        while source.position().offset < end
            && let Some(record) = source.next_record()?
        {
            if self.query.admits(&record) {
                last.push_back(record);
                if last.len() > room {
                    last.pop_front();
                }
            }
        }
        last.append(&mut self.found);
        self.found = last;
        Ok(())
    }

    fn take_body(&mut self, body: &[u8]) {
        if let Some(record) = decode(self.format, body)
            && self.query.admits(&record)
        {
            self.found.push_front(record);
        }
    }

    fn take_lines(&mut self, file: &File, end: u64) -> io::Result<()> {
        let mut offset = end;
        let mut rest: Vec<u8> = Vec::new();
        let mut block = vec![0u8; BLOCK_BYTES];
        while offset > 0 && !self.is_complete() {
            let start = offset.saturating_sub(BLOCK_BYTES as u64);
            let length = usize::try_from(offset - start).expect("at most one block");
            file.read_exact_at(&mut block[..length], start)?;
            let mut joined = block[..length].to_vec();
            joined.append(&mut rest);
            let mut lines: Vec<&[u8]> = joined.split(|b| *b == b'\n').collect();
            // The first piece may be the end of a line that begins in the block before.
            let head = if start > 0 { lines.remove(0).to_vec() } else { Vec::new() };
            for line in lines.into_iter().rev().filter(|line| !line.is_empty()) {
                self.take_body(line);
                if self.is_complete() {
                    return Ok(());
                }
            }
            (rest, offset) = (head, start);
        }
        Ok(())
    }

    fn take_entries(&mut self, file: &File, end: u64) -> io::Result<()> {
        let mut offset = end;
        let mut entry = Vec::new();
        while offset > 0 && !self.is_complete() {
            let Some(size) = entry_before(file, offset)? else { return Ok(()) };
            offset -= size as u64 + SIZE_BYTES as u64;
            entry.resize(size, 0);
            file.read_exact_at(&mut entry, offset)?;
            offset -= SIZE_BYTES as u64;
            self.take_body(&entry);
        }
        Ok(())
    }
}

/// The offset behind the last newline.
fn complete_end(file: &File, size: u64) -> io::Result<u64> {
    let mut end = size;
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

/// The size of the entry that ends at `offset` with its trailer; `None` when none does.
fn entry_before(file: &File, offset: u64) -> io::Result<Option<usize>> {
    let mut trailer = [0; SIZE_BYTES];
    let Some(at) = offset.checked_sub(SIZE_BYTES as u64) else { return Ok(None) };
    file.read_exact_at(&mut trailer, at)?;
    let size = u32::from_be_bytes(trailer) as usize;
    let start = at.checked_sub((size + SIZE_BYTES) as u64);
    let (Some(start), true) = (start, size <= MAX_ENTRY_BYTES) else { return Ok(None) };
    let mut header = [0; SIZE_BYTES];
    file.read_exact_at(&mut header, start)?;
    Ok((header == trailer).then_some(size))
}

fn is_record_end(file: &File, size: u64) -> io::Result<bool> {
    Ok(size == 0 || entry_before(file, size)?.is_some())
}

fn last_record_end(file: File) -> io::Result<u64> {
    let mut source = Source::live(Format::Local, file, 0)?;
    let mut end = 0;
    while source.next_record()?.is_some() {
        end = source.position().offset;
    }
    Ok(end)
}
