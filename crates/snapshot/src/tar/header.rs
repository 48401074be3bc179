//! The fields of one header block.

use super::BLOCK;

/// A part of the regions of an old GNU sparse file.
pub(super) struct GnuTable {
    pub(super) regions: Vec<(u64, u64)>,
    /// Whether a block with more regions follows.
    pub(super) has_more: bool,
}

/// A header block whose checksum is right.
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    /// Takes a block, if it is a header.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Result<Self, &'static str> {
        let header = Self(block);
        let stated = header.number(148, 8).ok_or("the checksum is not a number")?;
        // Old programs summed signed characters; both are accepted everywhere.
        let sum = |value: fn(u8) -> i64| -> i64 {
            let checksum = 148..156;
            (0..BLOCK).map(|i| if checksum.contains(&i) { 32 } else { value(block[i]) }).sum()
        };
        if stated == sum(i64::from) || stated == sum(|b| i64::from(b.cast_signed())) {
            Ok(header)
        } else {
            Err("the checksum is wrong")
        }
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    fn is_ustar(&self) -> bool {
        &self.0[257..263] == b"ustar\0"
    }

    fn is_gnu(&self) -> bool {
        &self.0[257..265] == b"ustar  \0"
    }

    /// The name, with the prefix of ustar (GNU keeps other things there).
    pub(super) fn path(&self) -> Vec<u8> {
        let name = self.text(0, 100);
        let prefix = if self.is_ustar() { self.text(345, 155) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> &'a [u8] {
        self.text(157, 100)
    }

    pub(super) fn mode(&self) -> Result<u32, &'static str> {
        let mode = self.number(100, 8).ok_or("the mode is not a number")?;
        Ok((mode & 0o7777) as u32)
    }

    pub(super) fn uid(&self) -> Result<u32, &'static str> {
        self.number(108, 8).and_then(|n| n.try_into().ok()).ok_or("the owner is out of range")
    }

    pub(super) fn gid(&self) -> Result<u32, &'static str> {
        self.number(116, 8).and_then(|n| n.try_into().ok()).ok_or("the group is out of range")
    }

    pub(super) fn size(&self) -> Result<u64, &'static str> {
        self.number(124, 12).and_then(|n| n.try_into().ok()).ok_or("the size is out of range")
    }

    pub(super) fn mtime(&self) -> Result<i64, &'static str> {
        self.number(136, 12).ok_or("the time is not a number")
    }

    pub(super) fn device(&self) -> Result<(u32, u32), &'static str> {
        // v7 headers have no such fields.
        if !self.is_ustar() && !self.is_gnu() {
            return Ok((0, 0));
        }
        let part = |at| self.number(at, 8).and_then(|n| n.try_into().ok());
        part(329).zip(part(337)).ok_or("the device number is out of range")
    }

    /// The real size and the first regions in an old GNU sparse header.
    pub(super) fn gnu_sparse(&self) -> Result<(u64, GnuTable), &'static str> {
        if !self.is_gnu() {
            return Err("a sparse file outside of a GNU archive");
        }
        let size = self.number(483, 12).and_then(|n| n.try_into().ok());
        let size = size.ok_or("the size of a sparse file is out of range")?;
        let regions = gnu_regions(&self.0[386..482])?;
        Ok((size, GnuTable { regions, has_more: self.0[482] != 0 }))
    }

    fn text(&self, at: usize, len: usize) -> &'a [u8] {
        let field = &self.0[at..at + len];
        field.split(|byte| *byte == 0).next().unwrap_or(field)
    }

    fn number(&self, at: usize, len: usize) -> Option<i64> {
        number(&self.0[at..at + len])
    }
}

/// The regions in a block that continues an old GNU sparse header.
pub(super) fn gnu_sparse_extension(block: &[u8; BLOCK]) -> Result<GnuTable, &'static str> {
    Ok(GnuTable { regions: gnu_regions(&block[..504])?, has_more: block[504] != 0 })
}

fn gnu_regions(table: &[u8]) -> Result<Vec<(u64, u64)>, &'static str> {
    let mut regions = Vec::new();
    for row in table.chunks_exact(24) {
        if row[0] == 0 {
            break;
        }
        let part = |field: &[u8]| number(field).and_then(|n| u64::try_from(n).ok());
        let region = part(&row[..12]).zip(part(&row[12..]));
        regions.push(region.ok_or("a region of a sparse file is out of range")?);
    }
    Ok(regions)
}

/// A number in octal digits, or in base 256 with the top bit of the first byte set.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return base256(field);
    }
    let start = field.iter().position(|byte| !is_padding(byte)).unwrap_or(field.len());
    let digits = field[start..].split(is_padding).next().unwrap_or(b"");
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

fn is_padding(byte: &u8) -> bool {
    matches!(byte, b' ' | 0)
}

fn base256(field: &[u8]) -> Option<i64> {
    let is_negative = field[0] & 0x40 != 0;
    let first = if is_negative { i64::from(field[0]) - 256 } else { i64::from(field[0] & 0x3f) };
    field[1..]
        .iter()
        .try_fold(first, |value, byte| value.checked_mul(256)?.checked_add(i64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_in_all_their_forms() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"77777777777\0"), Some(0o77_777_777_777));
        assert_eq!(number(b"\x80\0\0\0\0\x01\0\0\0\0\0\0"), Some(1 << 48));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"12x45\0\0\0"), None);
        assert_eq!(number(b"-1\0\0\0\0\0\0"), None);
    }
}
