//! Extended headers of pax: records of `LENGTH KEY=VALUE`, and what they override.

use super::{Timestamp, XattrList};

/// What an extended header says about the entry that follows.
#[derive(Debug, Default)]
pub(super) struct Extension {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) xattrs: XattrList,
    pub(super) sparse: Sparse,
}

/// GNU's records about sparse files, of its formats 0.0, 0.1 and 1.0.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) map: Vec<u64>,
}

const XATTR: &[u8] = b"SCHILY.xattr.";

impl Extension {
    /// Adds the records of a header; a later record of a key replaces an earlier one.
    pub(super) fn add(&mut self, mut records: &[u8]) -> Result<(), &'static str> {
        // Some writers pad the last block's worth of records with zeros.
        while !records.is_empty() && records[0] != 0 {
            let (key, value, rest) = split_record(records).ok_or("a damaged extended header")?;
            self.set(key, value)?;
            records = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.link = text(value)?,
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = narrow(number(value)?)?,
            b"gid" => self.gid = narrow(number(value)?)?,
            b"mtime" => self.mtime = time(value)?,
            _ if key.starts_with(b"GNU.sparse.") => self.set_sparse(&key[11..], value)?,
            _ if key.starts_with(XATTR) => self.set_xattr(&key[XATTR.len()..], value)?,
            // atime, ctime, uname, gname, charset, comment and vendors' own: not used.
            _ => {}
        }
        Ok(())
    }

    fn set_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if name.is_empty() || name.contains(&0) {
            return Err("a damaged attribute name");
        }
        self.xattrs.retain(|(known, _)| known != name);
        self.xattrs.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    fn set_sparse(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match key {
            b"major" => self.sparse.major = number(value)?,
            b"name" => self.sparse.name = text(value)?,
            b"size" | b"realsize" => self.sparse.size = number(value)?,
            b"offset" | b"numbytes" => {
                self.sparse.map.push(number(value)?.ok_or("a damaged sparse file")?);
            }
            b"map" => self.sparse.map = list(value)?,
            _ => {}
        }
        Ok(())
    }
}

fn split_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|byte| *byte == b' ')?;
    let len = usize::try_from(number(&records[..space]).ok()??).ok()?;
    let record = records.get(space + 1..len)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[len..]))
}

/// A path; an empty value takes an earlier record back.
fn text(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("a path with a zero byte");
    }
    Ok(Some(value.to_vec()).filter(|value| !value.is_empty()))
}

/// A decimal number; an empty value takes an earlier record back.
pub(super) fn number(value: &[u8]) -> Result<Option<u64>, &'static str> {
    if value.is_empty() {
        return Ok(None);
    }
    let all = value.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    });
    all.map(Some).ok_or("a damaged number in an extended header")
}

fn narrow(number: Option<u64>) -> Result<Option<u32>, &'static str> {
    number.map(u32::try_from).transpose().map_err(|_| "an owner or group out of range")
}

fn list(value: &[u8]) -> Result<Vec<u64>, &'static str> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    value
        .split(|byte| *byte == b',')
        .map(|part| number(part)?.ok_or("a damaged sparse file"))
        .collect()
}

/// Seconds with any number of decimals, possibly negative.
fn time(value: &[u8]) -> Result<Option<Timestamp>, &'static str> {
    const DAMAGED: &str = "a damaged time in an extended header";
    let (is_negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let Some(whole) = number(parts.next().unwrap_or_default())? else { return Ok(None) };
    let mut seconds = i64::try_from(whole).map_err(|_| DAMAGED)?;
    let mut decimals = parts.next().unwrap_or_default().to_vec();
    if !decimals.iter().all(u8::is_ascii_digit) {
        return Err(DAMAGED);
    }
    decimals.resize(9, b'0');
    let mut nanoseconds =
        u32::try_from(number(&decimals)?.unwrap_or_default()).map_err(|_| DAMAGED)?;
    if is_negative {
        seconds = -seconds;
        if nanoseconds > 0 {
            seconds = seconds.checked_sub(1).ok_or(DAMAGED)?;
            nanoseconds = 1_000_000_000 - nanoseconds;
        }
    }
    Ok(Some(Timestamp { seconds, nanoseconds }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records_with_any_bytes_in_values() {
        let mut extension = Extension::default();
        extension.add(b"26 SCHILY.xattr.user.a=\n=\n12 path=a b\n11 uid=123\n").unwrap();
        assert_eq!(extension.xattrs, [(b"user.a".to_vec(), b"\n=".to_vec())]);
        assert_eq!(extension.path.as_deref(), Some(&b"a b"[..]));
        assert_eq!(extension.uid, Some(123));
    }

    #[test]
    fn refuses_damaged_records() {
        for bad in [
            &b"5 a=b\n"[..],
            b"99 a=b\n",
            b"x a=b\n",
            b"6 ab\n",
            b"7 a=b\n",
            b"12 path=a\0\0\n",
            b"99999999999999999999999 a=b\n",
            b"19 uid=99999999999\n",
            b"0 a=b\n",
            b"2 \n",
        ] {
            assert!(Extension::default().add(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reads_times_with_decimals_and_before_1970() {
        let read = |text: &[u8]| time(text).unwrap().unwrap();
        assert_eq!(read(b"12"), Timestamp { seconds: 12, nanoseconds: 0 });
        assert_eq!(read(b"12.5"), Timestamp { seconds: 12, nanoseconds: 500_000_000 });
        assert_eq!(read(b"1.1234567899"), Timestamp { seconds: 1, nanoseconds: 123_456_789 });
        assert_eq!(read(b"-1.25"), Timestamp { seconds: -2, nanoseconds: 750_000_000 });
        assert!(time(b"1.x").is_err());
        assert!(time(b"99999999999999999999").is_err());
    }
}
