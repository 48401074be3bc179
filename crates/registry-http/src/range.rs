//! The `Range` header of downloads (RFC 9110, section 14) and `Content-Range` of chunks.

use registry::ByteRange;

/// What a `Range` header asks of a blob.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// A piece.
    Piece(ByteRange),
    /// Nothing that is there.
    Unsatisfiable,
}

/// Reads a `Range` header; several ranges or another unit mean the whole, as the standard allows.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(spec) = header.and_then(|text| text.strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (offset, end) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.saturating_add(1).min(size)),
        (Some(first), None) if last.is_empty() => (first, size),
        (None, Some(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size),
        _ => return Wanted::Whole,
    };
    if offset >= end {
        return Wanted::Unsatisfiable;
    }
    Wanted::Piece(ByteRange { offset, length: end - offset })
}

/// Reads a chunk's `Content-Range`, `FIRST-LAST` with an optional `bytes ` and `/SIZE`.
pub(crate) fn chunk(header: &str) -> Option<ByteRange> {
    let spec = header.trim();
    let spec = spec.strip_prefix("bytes ").unwrap_or(spec);
    let spec = spec.split('/').next().unwrap_or(spec);
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    Some(ByteRange { offset: first, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_download_ranges() {
        let piece = |offset, length| Wanted::Piece(ByteRange { offset, length });
        let of = |text| wanted(Some(text), 100);
        assert_eq!(of("bytes=0-0"), piece(0, 1));
        assert_eq!(of("bytes=10-"), piece(10, 90));
        assert_eq!(of("bytes=-10"), piece(90, 10));
        assert_eq!(of("bytes=-1000"), piece(0, 100));
        assert_eq!(of("bytes=90-1000"), piece(90, 10));
        assert_eq!(of("bytes=0-99999999999999999999999"), piece(0, 100));
        for nothing in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(of(nothing), Wanted::Unsatisfiable, "{nothing}");
        }
        for whole in ["bytes=5-1", "bytes=0-1,5-6", "lines=0-1", "bytes=", "bytes=-", "bytes=a-b"] {
            assert_eq!(of(whole), Wanted::Whole, "{whole}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn reads_chunk_ranges() {
        let range = |offset, length| Some(ByteRange { offset, length });
        assert_eq!(chunk("0-9"), range(0, 10));
        assert_eq!(chunk("bytes 10-19/20"), range(10, 10));
        for bad in ["", "9-0", "a-b", "-5", "0-18446744073709551615"] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }
}
