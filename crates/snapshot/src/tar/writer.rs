//! Writing an archive: ustar, with pax records for what does not fit.
//!
//! The same entries always give the same bytes: nothing of the clock, the process or the names of
//! users goes in.

use std::io::{self, Read, Write};

use super::{BLOCK, Entry, Kind, Region};

/// The largest numbers of the octal fields.
const MAX_ID: u32 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;

/// An archive being written.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Starts an archive.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes an entry; `data` gives the bytes of its regions one after the other.
    ///
    /// If there are fewer bytes (the file shrank meanwhile) zeros follow, so that the archive
    /// stays in step.
    ///
    /// # Errors
    /// What reading `data` or writing the archive says.
    pub fn append(&mut self, entry: &Entry, data: &mut dyn Read) -> io::Result<()> {
        let map = entry.sparse.as_ref().map(|map| sparse_map(map.regions(), entry.size));
        let stored = match (&entry.sparse, &map) {
            (Some(sparse), Some(map)) => map.len() as u64 + sparse.data_bytes(),
            _ if entry.kind == Kind::File => entry.size,
            _ => 0,
        };
        let records = records(entry, stored);
        if !records.is_empty() {
            let header = Header::extension(records.len() as u64).finish();
            self.out.write_all(&header)?;
            self.out.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.out.write_all(&Header::of(entry, stored).finish())?;
        let map = map.unwrap_or_default();
        self.out.write_all(&map)?;
        self.copy(data, stored - map.len() as u64)?;
        self.pad(stored)
    }

    /// Writes the end of the archive and returns the output.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn copy(&mut self, data: &mut dyn Read, len: u64) -> io::Result<()> {
        let mut left = len;
        let mut buffer = vec![0; usize::try_from(len.min(128 * 1024)).unwrap_or(0)];
        while left > 0 {
            let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut count = match data.read(&mut buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if count == 0 {
                buffer[..wanted].fill(0);
                count = wanted;
            }
            self.out.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        Ok(())
    }

    fn pad(&mut self, len: u64) -> io::Result<()> {
        let padding = len.next_multiple_of(BLOCK as u64) - len;
        self.out.write_all(&[0; BLOCK][..usize::try_from(padding).unwrap_or(0)])
    }
}

/// The map of GNU's sparse format 1.0: decimal lines, padded to a block.
///
/// A hole at the end is marked by a region without data behind it, as GNU tar does: it takes the
/// file's length from there.
fn sparse_map(regions: &[Region], size: u64) -> Vec<u8> {
    let end = regions.last().map_or(0, |region| region.offset + region.len);
    let mark = (end < size).then_some(Region { offset: size, len: 0 });
    let mut map = format!("{}\n", regions.len() + usize::from(mark.is_some())).into_bytes();
    for region in regions.iter().chain(&mark) {
        map.extend_from_slice(format!("{}\n{}\n", region.offset, region.len).as_bytes());
    }
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

/// The pax records that an entry needs.
fn records(entry: &Entry, stored: u64) -> Vec<u8> {
    let mut records = Vec::new();
    let mut add = |key: &[u8], value: &[u8]| push_record(&mut records, key, value);
    if entry.sparse.is_some() {
        add(b"GNU.sparse.major", b"1");
        add(b"GNU.sparse.minor", b"0");
        add(b"GNU.sparse.name", &entry.path);
        add(b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
    } else if split_path(&entry.path).is_none() {
        add(b"path", &entry.path);
    }
    if entry.link.len() > 100 {
        add(b"linkpath", &entry.link);
    }
    for (key, id) in [(&b"uid"[..], entry.uid), (b"gid", entry.gid)] {
        if id > MAX_ID {
            add(key, id.to_string().as_bytes());
        }
    }
    if stored > MAX_SIZE {
        add(b"size", stored.to_string().as_bytes());
    }
    if entry.mtime.nanoseconds != 0 || header_time(entry).is_none() {
        add(b"mtime", time(entry).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        add(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records
}

/// Appends a record; its length counts its own digits.
fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    records.extend_from_slice(format!("{len} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn header_time(entry: &Entry) -> Option<u64> {
    u64::try_from(entry.mtime.seconds).ok().filter(|seconds| *seconds <= MAX_SIZE)
}

fn time(entry: &Entry) -> String {
    let total =
        i128::from(entry.mtime.seconds) * 1_000_000_000 + i128::from(entry.mtime.nanoseconds);
    let sign = if total < 0 { "-" } else { "" };
    let (seconds, nanoseconds) =
        (total.unsigned_abs() / 1_000_000_000, total.unsigned_abs() % 1_000_000_000);
    if nanoseconds == 0 {
        return format!("{sign}{seconds}");
    }
    let decimals = format!("{nanoseconds:09}");
    format!("{sign}{seconds}.{}", decimals.trim_end_matches('0'))
}

/// Splits a path into ustar's prefix and name, if it fits.
fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    // The slash between the two is not stored; a directory's last one belongs to its name.
    (0..path.len().min(156))
        .rev()
        .find(|at| path[*at] == b'/' && *at > 0 && (1..=100).contains(&(path.len() - at - 1)))
        .map(|at| (&path[..at], &path[at + 1..]))
}

/// A header block being filled in.
struct Header([u8; BLOCK]);

impl Header {
    fn extension(size: u64) -> Self {
        let mut header = Self::empty(b'x');
        header.text(0, b"PaxHeaders/entry");
        header.octal(100, 8, 0o644);
        header.octal(124, 12, size);
        header
    }

    fn of(entry: &Entry, stored: u64) -> Self {
        let (kind, device) = match entry.kind {
            Kind::File => (b'0', None),
            Kind::HardLink => (b'1', None),
            Kind::Symlink => (b'2', None),
            Kind::Character(major, minor) => (b'3', Some((major, minor))),
            Kind::Block(major, minor) => (b'4', Some((major, minor))),
            Kind::Directory => (b'5', None),
            Kind::Fifo => (b'6', None),
        };
        let mut header = Self::empty(kind);
        // What does not fit stands in a record; the field then holds the start, for old readers.
        let (prefix, name) =
            split_path(&entry.path).unwrap_or((b"", &entry.path[..entry.path.len().min(100)]));
        header.text(0, name);
        header.text(345, prefix);
        header.text(157, &entry.link[..entry.link.len().min(100)]);
        header.octal(100, 8, u64::from(entry.mode & 0o7777));
        header.octal(108, 8, u64::from(Some(entry.uid).filter(|id| *id <= MAX_ID).unwrap_or(0)));
        header.octal(116, 8, u64::from(Some(entry.gid).filter(|id| *id <= MAX_ID).unwrap_or(0)));
        header.octal(124, 12, Some(stored).filter(|size| *size <= MAX_SIZE).unwrap_or(0));
        header.octal(136, 12, header_time(entry).unwrap_or(0));
        if let Some((major, minor)) = device {
            header.octal(329, 8, u64::from(major));
            header.octal(337, 8, u64::from(minor));
        }
        header
    }

    fn empty(kind: u8) -> Self {
        let mut header = Self([0; BLOCK]);
        header.0[156] = kind;
        header.text(257, b"ustar\x0000");
        for (at, len) in [(108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8)] {
            header.octal(at, len, 0);
        }
        header
    }

    fn text(&mut self, at: usize, text: &[u8]) {
        self.0[at..at + text.len()].copy_from_slice(text);
    }

    fn octal(&mut self, at: usize, len: usize, value: u64) {
        self.text(at, format!("{value:0width$o}\0", width = len - 1).as_bytes());
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.text(148, b"        ");
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.text(148, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}
