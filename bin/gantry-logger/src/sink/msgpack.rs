//! As much of MessagePack as the forward protocol needs.

/// Appends the head of an array.
pub(super) fn put_array(out: &mut Vec<u8>, length: u8) {
    debug_assert!(length < 16, "only short arrays are written");
    out.push(0x90 | length);
}

/// Appends the head of a map.
pub(super) fn put_map(out: &mut Vec<u8>, length: usize) {
    match u16::try_from(length) {
        Ok(length @ 0..16) => out.push(0x80 | length as u8),
        Ok(length) => {
            out.push(0xde);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(0xdf);
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

/// Appends a string; bytes that are no UTF-8 stay as they are, as servers expect of logs.
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        length @ 0..32 => out.push(0xa0 | length as u8),
        length @ 32..=0xff => out.extend_from_slice(&[0xd9, length as u8]),
        length @ 0x100..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xdb);
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

/// Appends a signed number.
pub(super) fn put_integer(out: &mut Vec<u8>, number: i64) {
    out.push(0xd3);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends the protocol's time of nanoseconds: extension 0 of eight bytes.
pub(super) fn put_event_time(out: &mut Vec<u8>, seconds: i64, nanos: u32) {
    out.extend_from_slice(&[0xd7, 0]);
    out.extend_from_slice(&u32::try_from(seconds).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(&nanos.to_be_bytes());
}

/// Reads a string; the rest is what follows it.
pub(super) fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = match *bytes.split_off_first()? {
        head @ 0xa0..=0xbf => usize::from(head & 0x1f),
        0xd9 => usize::from(*bytes.split_off_first()?),
        0xda => usize::from(u16::from_be_bytes(*bytes.split_off(..2)?.first_chunk()?)),
        _ => return None,
    };
    bytes.split_off(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_every_length_are_read_back() {
        for length in [0, 31, 32, 255, 256, 65535] {
            let text = vec![b'x'; length];
            let mut out = Vec::new();
            put_text(&mut out, &text);
            let mut rest = &out[..];
            assert_eq!(take_text(&mut rest), Some(&text[..]));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn heads_are_as_specified() {
        let mut out = Vec::new();
        put_array(&mut out, 4);
        put_map(&mut out, 2);
        put_map(&mut out, 300);
        put_integer(&mut out, -1);
        put_event_time(&mut out, 1, 2);
        assert_eq!(out[..5], [0x94, 0x82, 0xde, 1, 44]);
        assert_eq!(out[5..14], [0xd3, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(out[14..], [0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    }
}
