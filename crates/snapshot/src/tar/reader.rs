//! Reading an archive entry by entry.

use std::io::{self, BufRead};

use super::{
    BLOCK, Entry, Kind, Region, SparseMap, Timestamp,
    header::{Header, gnu_sparse_extension},
    pax::{self, Extension},
};
use crate::{ArchiveError, Limits};

/// An archive being read: headers with [`Reader::next_entry`], data with [`Reader::copy_data`].
#[derive(Debug)]
pub struct Reader<'l, R> {
    input: R,
    limits: &'l Limits,
    /// Bytes consumed from the start of the archive.
    offset: u64,
    /// Bytes of the current entry's data that are still to come.
    data_left: u64,
    /// Zeros after the data, up to a full block.
    padding: u64,
    entries: u64,
    /// The current entry, for messages.
    current: String,
}

/// What the headers before an entry's own header said.
#[derive(Debug, Default)]
struct Pending {
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    extension: Extension,
    is_any: bool,
}

impl<'l, R: BufRead> Reader<'l, R> {
    /// Starts at the first byte of an uncompressed archive.
    pub fn new(input: R, limits: &'l Limits) -> Self {
        let current = String::new();
        Self { input, limits, offset: 0, data_left: 0, padding: 0, entries: 0, current }
    }

    /// Returns the next entry, or `None` at the end of the archive.
    ///
    /// Data of the entry before that was not read is skipped.
    ///
    /// # Errors
    /// [`ArchiveError`]; the reader cannot be used any further then.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut pending = Pending::default();
        loop {
            self.skip(self.data_left + self.padding)?;
            (self.data_left, self.padding) = (0, 0);
            self.current.clear();
            let start = self.offset;
            let Some(block) = self.next_header()? else {
                return if pending.is_any { Err(self.truncated()) } else { Ok(None) };
            };
            let header = Header::parse(&block).map_err(fault(start))?;
            self.count_entry(&header)?;
            if !self.take_extension(&header, &mut pending, start)? {
                return self.finish_entry(&header, pending, start).map(Some);
            }
        }
    }

    /// Reads the data of the current entry, in pieces as they come.
    ///
    /// # Errors
    /// [`ArchiveError::Truncated`], [`ArchiveError::Read`], [`ArchiveError::Limit`], and what
    /// `take` returns.
    pub fn copy_data(
        &mut self,
        mut len: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        debug_assert!(len <= self.data_left, "callers take lengths from the entry");
        len = len.min(self.data_left);
        while len > 0 {
            let chunk = self.fill()?;
            let count = chunk.len().min(usize::try_from(len).unwrap_or(usize::MAX));
            if count == 0 {
                return Err(self.truncated());
            }
            take(&chunk[..count])?;
            self.consume(count)?;
            self.data_left -= count as u64;
            len -= count as u64;
        }
        Ok(())
    }

    /// Reads whatever follows the archive's end, so that a digest covers it.
    ///
    /// # Errors
    /// [`ArchiveError::Read`], [`ArchiveError::Limit`].
    pub fn drain(&mut self) -> Result<(), ArchiveError> {
        loop {
            let count = self.fill()?.len();
            if count == 0 {
                return Ok(());
            }
            self.consume(count)?;
        }
    }

    fn count_entry(&mut self, header: &Header<'_>) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            self.current = String::from_utf8_lossy(&header.path()).into_owned();
            return Err(self.limit("entries", self.limits.entries));
        }
        Ok(())
    }

    /// Reads the header if it only says something about the next one.
    fn take_extension(
        &mut self,
        header: &Header<'_>,
        pending: &mut Pending,
        start: u64,
    ) -> Result<bool, ArchiveError> {
        match header.kind() {
            b'L' => pending.long_path = Some(self.read_long_name(header, start)?),
            b'K' => pending.long_link = Some(self.read_long_name(header, start)?),
            b'x' | b'X' => {
                let records = self.read_extension(header, start)?;
                pending.extension.add(&records).map_err(fault(start))?;
            }
            // Global records (git's commit id) and volume labels say nothing about files.
            b'g' | b'V' => {
                self.set_data(header.size().map_err(fault(start))?, start)?;
                return Ok(true);
            }
            _ => return Ok(false),
        }
        pending.is_any = true;
        Ok(true)
    }

    fn read_extension(&mut self, header: &Header<'_>, at: u64) -> Result<Vec<u8>, ArchiveError> {
        let size = header.size().map_err(fault(at))?;
        if size > self.limits.extension_bytes {
            self.current = String::from_utf8_lossy(&header.path()).into_owned();
            return Err(self.limit("bytes in an extended header", self.limits.extension_bytes));
        }
        self.set_data(size, at)?;
        let mut bytes = Vec::new();
        self.copy_data(size, |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn read_long_name(&mut self, header: &Header<'_>, at: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut name = self.read_extension(header, at)?;
        if let Some(end) = name.iter().position(|byte| *byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    fn finish_entry(
        &mut self,
        header: &Header<'_>,
        pending: Pending,
        start: u64,
    ) -> Result<Entry, ArchiveError> {
        let Pending { long_path, long_link, extension, .. } = pending;
        let Extension { path, link, size, uid, gid, mtime, xattrs, sparse } = extension;
        let at = fault(start);
        let path = sparse.name.clone().or(path).or(long_path).unwrap_or_else(|| header.path());
        self.current = String::from_utf8_lossy(&path).into_owned();
        let kind = self.kind(header, &path, start)?;
        let stored = match size {
            Some(size) => size,
            None => header.size().map_err(fault(start))?,
        };
        // As Go does: a size in the header of anything but a file is not followed by data.
        self.set_data(if kind == Kind::File { stored } else { 0 }, start)?;
        let seconds = header.mtime().map_err(fault(start))?;
        let mut entry = Entry {
            path,
            link: link.or(long_link).unwrap_or_else(|| header.link().to_vec()),
            kind,
            mode: header.mode().map_err(fault(start))?,
            uid: uid.map_or_else(|| header.uid(), Ok).map_err(fault(start))?,
            gid: gid.map_or_else(|| header.gid(), Ok).map_err(at)?,
            mtime: mtime.unwrap_or(Timestamp { seconds, nanoseconds: 0 }),
            size: self.data_left,
            sparse: None,
            xattrs,
        };
        if kind == Kind::File {
            self.set_sparse(&mut entry, header, &sparse, start)?;
        }
        if entry.size > self.limits.file_bytes {
            return Err(self.limit("bytes in a file", self.limits.file_bytes));
        }
        Ok(entry)
    }

    fn kind(&self, header: &Header<'_>, path: &[u8], at: u64) -> Result<Kind, ArchiveError> {
        let device = || header.device().map_err(fault(at));
        Ok(match header.kind() {
            0 if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => device().map(|(major, minor)| Kind::Character(major, minor))?,
            b'4' => device().map(|(major, minor)| Kind::Block(major, minor))?,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            _ => return Err(self.refused("an entry of unknown type")),
        })
    }

    /// Notes that data follows the header.
    fn set_data(&mut self, size: u64, at: u64) -> Result<(), ArchiveError> {
        let end = size.checked_add(BLOCK as u64).and_then(|end| end.checked_add(self.offset));
        if end.is_none() {
            return Err(fault(at)("the size is out of range"));
        }
        self.data_left = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// Finds out where the data of a sparse file goes, in whichever way it is encoded.
    fn set_sparse(
        &mut self,
        entry: &mut Entry,
        header: &Header<'_>,
        records: &pax::Sparse,
        start: u64,
    ) -> Result<(), ArchiveError> {
        let (size, pairs) = if header.kind() == b'S' {
            self.read_gnu_map(header, start)?
        } else if let Some(size) = records.size {
            let pairs = match records.major {
                Some(1) => self.read_map()?,
                Some(0) | None => self.pairs(&records.map)?,
                Some(_) => return Err(self.refused("a sparse file of unknown format")),
            };
            (size, pairs)
        } else {
            return Ok(());
        };
        let map = SparseMap::new(&pairs, size).map_err(|reason| self.refused(reason))?;
        if map.data_bytes() != self.data_left {
            return Err(self.refused("the regions of a sparse file do not match its data"));
        }
        (entry.size, entry.sparse) = (size, Some(map));
        Ok(())
    }

    /// The old GNU format: regions in the header and in blocks before the data.
    fn read_gnu_map(
        &mut self,
        header: &Header<'_>,
        start: u64,
    ) -> Result<(u64, Vec<(u64, u64)>), ArchiveError> {
        let (size, mut table) = header.gnu_sparse().map_err(fault(start))?;
        let mut pairs = table.regions;
        while table.has_more {
            let at = self.offset;
            let block = self.read_block()?.ok_or_else(|| self.truncated())?;
            table = gnu_sparse_extension(&block).map_err(fault(at))?;
            pairs.append(&mut table.regions);
            self.check_regions(pairs.len())?;
        }
        Ok((size, pairs))
    }

    /// Format 1.0: the regions are decimal lines at the start of the data, padded to a block.
    fn read_map(&mut self) -> Result<Vec<(u64, u64)>, ArchiveError> {
        let mut lines = MapLines { reader: self, block: Vec::new(), at: 0 };
        let count = usize::try_from(lines.next_number()?).unwrap_or(usize::MAX);
        lines.reader.check_regions(count)?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((lines.next_number()?, lines.next_number()?));
        }
        Ok(pairs)
    }

    fn pairs(&self, numbers: &[u64]) -> Result<Vec<(u64, u64)>, ArchiveError> {
        self.check_regions(numbers.len() / 2)?;
        if !numbers.len().is_multiple_of(2) {
            return Err(self.refused("half a region of a sparse file"));
        }
        Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }

    fn check_regions(&self, count: usize) -> Result<(), ArchiveError> {
        if count > self.limits.sparse_regions {
            let limit = self.limits.sparse_regions as u64;
            return Err(self.limit("regions in a sparse file", limit));
        }
        Ok(())
    }

    /// Reads a header block; `None` at the end, which is two blocks of zeros or no more bytes.
    fn next_header(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let start = self.offset;
        let Some(block) = self.read_block()? else { return Ok(None) };
        if block != [0; BLOCK] {
            return Ok(Some(block));
        }
        match self.read_block()? {
            Some(second) if second != [0; BLOCK] => Err(fault(start)("a single block of zeros")),
            _ => Ok(None),
        }
    }

    fn read_block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let chunk = self.fill()?;
            let count = chunk.len().min(BLOCK - filled);
            if count == 0 {
                return if filled == 0 { Ok(None) } else { Err(self.truncated()) };
            }
            block[filled..filled + count].copy_from_slice(&chunk[..count]);
            self.consume(count)?;
            filled += count;
        }
        Ok(Some(block))
    }

    fn skip(&mut self, mut len: u64) -> Result<(), ArchiveError> {
        while len > 0 {
            let available = self.fill()?.len();
            let count = available.min(usize::try_from(len).unwrap_or(usize::MAX));
            if count == 0 {
                return Err(self.truncated());
            }
            self.consume(count)?;
            len -= count as u64;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<&[u8], ArchiveError> {
        loop {
            match self.input.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::Read(error)),
            }
        }
        self.input.fill_buf().map_err(ArchiveError::Read)
    }

    fn consume(&mut self, count: usize) -> Result<(), ArchiveError> {
        self.input.consume(count);
        self.offset += count as u64;
        if self.offset > self.limits.stream_bytes {
            return Err(self.limit("bytes", self.limits.stream_bytes));
        }
        Ok(())
    }

    fn truncated(&self) -> ArchiveError {
        ArchiveError::Truncated { offset: self.offset, entry: self.current.clone() }
    }

    fn refused(&self, reason: &'static str) -> ArchiveError {
        ArchiveError::Refused { entry: self.current.clone(), reason }
    }

    fn limit(&self, what: &'static str, limit: u64) -> ArchiveError {
        ArchiveError::Limit { entry: self.current.clone(), what, limit }
    }
}

fn fault(offset: u64) -> impl Fn(&'static str) -> ArchiveError {
    move |reason| ArchiveError::Header { offset, reason }
}

/// The decimal lines of a sparse map, read block by block.
struct MapLines<'r, 'l, R> {
    reader: &'r mut Reader<'l, R>,
    block: Vec<u8>,
    at: usize,
}

impl<R: BufRead> MapLines<'_, '_, R> {
    fn next_number(&mut self) -> Result<u64, ArchiveError> {
        let mut digits = Vec::new();
        loop {
            match self.next_byte()? {
                b'\n' => break,
                digit if digits.len() < 20 => digits.push(digit),
                _ => return Err(self.reader.refused("a damaged map of a sparse file")),
            }
        }
        let number = pax::number(&digits).map_err(|reason| self.reader.refused(reason))?;
        number.ok_or_else(|| self.reader.refused("a damaged map of a sparse file"))
    }

    fn next_byte(&mut self) -> Result<u8, ArchiveError> {
        if self.at == self.block.len() {
            if self.reader.data_left < BLOCK as u64 {
                return Err(self.reader.refused("a map of a sparse file without an end"));
            }
            let block = &mut self.block;
            block.clear();
            self.at = 0;
            self.reader.copy_data(BLOCK as u64, |chunk| {
                block.extend_from_slice(chunk);
                Ok(())
            })?;
        }
        self.at += 1;
        Ok(self.block[self.at - 1])
    }
}

impl Entry {
    /// The runs of data that follow the headers, in order.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        match &self.sparse {
            Some(map) => map.regions().to_vec(),
            None if self.size == 0 => Vec::new(),
            None => vec![Region { offset: 0, len: self.size }],
        }
    }
}
