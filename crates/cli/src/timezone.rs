//! The local time zone, read from its file without the C library.
//!
//! `TZ` names a zone below `/usr/share/zoneinfo` or a file; unset, `/etc/localtime` is it; empty or
//! not readable, it is UTC, as in Go. The file is TZif (RFC 9636), version 2 and later for 64-bit
//! times; after its last change the footer's rule holds (POSIX `TZ`, `EST5EDT,M3.2.0,M11.1.0`).

mod rule;

use std::path::PathBuf;

use rule::Rule;

/// Most that is read of a zone's file; real ones have under 10 KB.
const MAX_FILE_LEN: u64 = 1 << 20;

/// An offset from UTC that holds for some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offset {
    /// Seconds east of Greenwich.
    pub seconds: i32,
    /// `CET`.
    pub name: String,
}

impl Offset {
    fn utc() -> Self {
        Self { seconds: 0, name: "UTC".to_owned() }
    }
}

/// A zone: which offset holds when.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    changes: Vec<(i64, usize)>,
    offsets: Vec<Offset>,
    rule: Option<Rule>,
}

impl Zone {
    /// The zone of this process.
    #[must_use]
    pub fn local() -> Self {
        let path = match std::env::var("TZ") {
            Err(_) => PathBuf::from("/etc/localtime"),
            Ok(name) => match name.strip_prefix(':').unwrap_or(&name) {
                "" => return Self::default(),
                name if name.starts_with('/') => PathBuf::from(name),
                name if name.contains("..") => return Self::default(),
                name => PathBuf::from("/usr/share/zoneinfo").join(name),
            },
        };
        Self::load(&path).unwrap_or_default()
    }

    fn load(path: &std::path::Path) -> Option<Self> {
        use std::io::Read;
        let mut bytes = Vec::new();
        std::fs::File::open(path).ok()?.take(MAX_FILE_LEN).read_to_end(&mut bytes).ok()?;
        Self::parse(&bytes)
    }

    /// Reads a TZif file; `None` when it is none.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let first = Header::read(bytes)?;
        if first.version == 0 {
            let body = bytes.get(Header::LEN..)?;
            return first.zone(body, 4, None);
        }
        let rest = bytes.get(Header::LEN.checked_add(first.body_len(4)?)?..)?;
        let second = Header::read(rest)?;
        let body = rest.get(Header::LEN..)?;
        let footer = body.get(second.body_len(8)?..)?;
        let footer = std::str::from_utf8(footer).ok()?.trim_matches('\n');
        second.zone(body, 8, Rule::parse(footer))
    }

    /// The offset that holds at `timestamp`.
    #[must_use]
    pub fn at(&self, timestamp: i64) -> Offset {
        let after = self.changes.partition_point(|(when, _)| *when <= timestamp);
        if after == self.changes.len()
            && let Some(rule) = &self.rule
        {
            return rule.at(timestamp);
        }
        let index = after.checked_sub(1).map_or(0, |last| self.changes[last].1);
        self.offsets.get(index).cloned().unwrap_or_else(Offset::utc)
    }
}

/// The counts at the head of each of the two parts of a file.
struct Header {
    version: u8,
    is_ut: usize,
    is_std: usize,
    leap: usize,
    times: usize,
    types: usize,
    chars: usize,
}

impl Header {
    const LEN: usize = 44;

    fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..Self::LEN)?;
        if &head[..4] != b"TZif" {
            return None;
        }
        let count = |at: usize| {
            let word: [u8; 4] = head.get(20 + at * 4..24 + at * 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(word)).ok().filter(|n| *n <= 1 << 20)
        };
        Some(Self {
            version: head[4],
            is_ut: count(0)?,
            is_std: count(1)?,
            leap: count(2)?,
            times: count(3)?,
            types: count(4)?,
            chars: count(5)?,
        })
    }

    fn body_len(&self, time_len: usize) -> Option<usize> {
        let fixed = self.times.checked_mul(time_len + 1)?.checked_add(self.types * 6)?;
        fixed.checked_add(self.chars + self.leap * (time_len + 4) + self.is_std + self.is_ut)
    }

    fn zone(&self, body: &[u8], time_len: usize, rule: Option<Rule>) -> Option<Zone> {
        let (times, rest) = body.split_at_checked(self.times * time_len)?;
        let (indices, rest) = rest.split_at_checked(self.times)?;
        let (types, rest) = rest.split_at_checked(self.types * 6)?;
        let names = rest.get(..self.chars)?;
        let when = |bytes: &[u8]| match time_len {
            4 => bytes.try_into().ok().map(|b| i64::from(i32::from_be_bytes(b))),
            _ => bytes.try_into().ok().map(i64::from_be_bytes),
        };
        let changes = times
            .chunks_exact(time_len)
            .zip(indices)
            .map(|(bytes, index)| Some((when(bytes)?, usize::from(*index))))
            .collect::<Option<Vec<_>>>()?;
        let offsets =
            types.chunks_exact(6).map(|entry| offset(entry, names)).collect::<Option<Vec<_>>>()?;
        changes.iter().all(|(_, index)| *index < offsets.len()).then_some(())?;
        Some(Zone { changes, offsets, rule })
    }
}

fn offset(entry: &[u8], names: &[u8]) -> Option<Offset> {
    let seconds = i32::from_be_bytes(entry.get(..4)?.try_into().ok()?);
    let name = names.get(usize::from(*entry.get(5)?)..)?;
    let name = name.split(|byte| *byte == 0).next()?;
    Some(Offset { seconds, name: String::from_utf8_lossy(name).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Option<Zone> {
        Zone::load(&PathBuf::from("/usr/share/zoneinfo").join(name))
    }

    #[test]
    fn offsets_follow_the_zones_history_and_its_rule() {
        let Some(berlin) = zone("Europe/Berlin") else {
            eprintln!("skipped: this machine has no zone files (tzdata)");
            return;
        };
        for (timestamp, seconds, name) in [
            (1_750_000_000, 7200, "CEST"),
            (1_735_000_000, 3600, "CET"),
            // 2045: past every list of changes.
            (2_380_000_000, 7200, "CEST"),
            (2_367_000_000, 3600, "CET"),
        ] {
            let offset = berlin.at(timestamp);
            assert_eq!((offset.seconds, offset.name.as_str()), (seconds, name), "{timestamp}");
        }
        assert_eq!(zone("Etc/UTC").unwrap().at(0).name, "UTC");
        assert_eq!(zone("Asia/Kolkata").unwrap().at(1_750_000_000).seconds, 19800);
    }

    #[test]
    fn what_is_no_zone_is_utc() {
        assert!(Zone::parse(b"TZif").is_none());
        assert!(Zone::parse(&[0; 100]).is_none());
        let mut cut = b"TZif2".to_vec();
        cut.resize(Header::LEN + 3, 0xff);
        assert!(Zone::parse(&cut).is_none());
        assert_eq!(Zone::default().at(5), Offset::utc());
    }
}
