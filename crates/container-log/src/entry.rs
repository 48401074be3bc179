//! Docker's `local` format: protobuf records, readable from both ends.
//!
//! ```text
//! u32 BE size | LogEntry, `size` bytes | u32 BE size
//!
//! LogEntry        1 source: string   2 time_nano: int64   3 line: bytes   4 partial: bool
//!                 5 partial_log_metadata   6 attrs (repeated)
//! PartialMetadata 1 last: bool   2 id: string   3 ordinal: int32
//! LogAttr         1 key: string  2 value: string
//! ```
//! Fields of default value are left out, as protobuf does. `line` is without the newline.

use std::collections::BTreeMap;

use crate::{LogRecord, Message, Part, StreamKind, Timestamp, message::part_id_text};

/// Bytes of a size before and after an entry.
pub const SIZE_BYTES: usize = 4;
/// A larger entry is damage: messages have 16 KiB, attributes are the engine's own.
pub const MAX_ENTRY_BYTES: usize = 1 << 20;

/// The key of `source`, which every entry begins with.
pub const FIRST_BYTE: u8 = 1 << 3 | BYTES;

const VARINT: u8 = 0;
const BYTES: u8 = 2;

/// Attributes as they stand in every entry.
#[must_use]
pub fn encode_attributes(attributes: &BTreeMap<String, String>) -> Box<[u8]> {
    let mut out = Vec::new();
    for (key, value) in attributes {
        let mut attribute = Vec::new();
        put_bytes(&mut attribute, 1, key.as_bytes());
        put_bytes(&mut attribute, 2, value.as_bytes());
        put_bytes(&mut out, 6, &attribute);
    }
    out.into()
}

/// Appends a record.
pub fn encode(out: &mut Vec<u8>, stream: StreamKind, message: &Message<'_>, attributes: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; SIZE_BYTES]);
    put_bytes(out, 1, stream.name().as_bytes());
    // Negative times are ten bytes, as protobuf has it.
    put_varint(out, 2, message.time.unix_nanos() as u64);
    put_bytes(out, 3, message.text);
    if let Some(part) = message.part {
        put_varint(out, 4, 1);
        put_bytes(out, 5, &encode_part(part));
    }
    out.extend_from_slice(attributes);
    let size = out.len() - start - SIZE_BYTES;
    // Messages are far below 4 GiB.
    let size = u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes();
    out[start..start + SIZE_BYTES].copy_from_slice(&size);
    out.extend_from_slice(&size);
}

fn encode_part(part: Part) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, 1, u64::from(part.is_last));
    put_bytes(&mut out, 2, part_id_text(&part.id).as_bytes());
    put_varint(&mut out, 3, u64::from(part.ordinal));
    out
}

fn put_varint(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        out.push(field << 3 | VARINT);
        put_number(out, value);
    }
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.push(field << 3 | BYTES);
        put_number(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
}

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// One field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads an entry, without the sizes around it; `None` for damage.
#[must_use]
pub fn decode(entry: &[u8]) -> Option<LogRecord> {
    let mut record = LogRecord {
        log: Vec::new(),
        stream: StreamKind::Stdout,
        time: Timestamp::default(),
        attrs: BTreeMap::new(),
    };
    let (mut is_partial, mut is_last) = (false, false);
    for_each_field(entry, |number, field| match (number, field) {
        (1, Field::Bytes(b"stderr")) => record.stream = StreamKind::Stderr,
        (2, Field::Number(nanos)) => record.time = Timestamp::from_unix_nanos(nanos as i64),
        (3, Field::Bytes(line)) => record.log = line.to_vec(),
        (4, Field::Number(flag)) => is_partial = flag != 0,
        (5, Field::Bytes(part)) => is_last = decode_is_last(part),
        (6, Field::Bytes(attribute)) => record.attrs.extend(decode_attribute(attribute)),
        _ => {}
    })?;
    if !is_partial || is_last {
        record.log.push(b'\n');
    }
    Some(record)
}

fn decode_is_last(part: &[u8]) -> bool {
    let mut is_last = false;
    let read = for_each_field(part, |number, field| {
        if let (1, Field::Number(flag)) = (number, field) {
            is_last = flag != 0;
        }
    });
    read.is_some() && is_last
}

fn decode_attribute(attribute: &[u8]) -> Option<(String, String)> {
    let mut pair = (String::new(), String::new());
    for_each_field(attribute, |number, field| {
        let Field::Bytes(bytes) = field else { return };
        let text = String::from_utf8_lossy(bytes).into_owned();
        match number {
            1 => pair.0 = text,
            2 => pair.1 = text,
            _ => {}
        }
    })?;
    Some(pair)
}

fn for_each_field<'a>(mut bytes: &'a [u8], mut each: impl FnMut(u64, Field<'a>)) -> Option<()> {
    while !bytes.is_empty() {
        let key = take_number(&mut bytes)?;
        let field = match (key & 7) as u8 {
            VARINT => Field::Number(take_number(&mut bytes)?),
            BYTES => {
                let length = usize::try_from(take_number(&mut bytes)?).ok()?;
                Field::Bytes(bytes.split_off(..length)?)
            }
            _ => return None,
        };
        each(key >> 3, field);
    }
    Some(())
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp { seconds: 1, nanos: 2 };

    fn encoded(message: &Message<'_>, attributes: &BTreeMap<String, String>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&mut out, StreamKind::Stderr, message, &encode_attributes(attributes));
        out
    }

    fn body(bytes: &[u8]) -> &[u8] {
        let size = u32::from_be_bytes(*bytes.first_chunk().unwrap()) as usize;
        assert_eq!(bytes.len(), size + 2 * SIZE_BYTES);
        assert_eq!(bytes.first_chunk::<4>(), bytes.last_chunk::<4>());
        &bytes[SIZE_BYTES..SIZE_BYTES + size]
    }

    #[test]
    fn the_format_is_dockers_byte_for_byte() {
        let message = Message { text: b"hi", time: TIME, part: None };
        let bytes = encoded(&message, &BTreeMap::new());
        let expected = b"\x0a\x06stderr\x10\x82\x94\xeb\xdc\x03\x1a\x02hi";
        assert_eq!(body(&bytes), expected);
    }

    #[test]
    fn entries_are_read_back_with_attributes_and_parts() {
        let attributes = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for (part, newline) in [
            (None, true),
            (Some(Part { id: [7; 32], ordinal: 1, is_last: false }), false),
            (Some(Part { id: [7; 32], ordinal: 2, is_last: true }), true),
        ] {
            let message = Message { text: b"\xffraw\0", time: TIME, part };
            let record = decode(body(&encoded(&message, &attributes))).unwrap();
            let expected: &[u8] = if newline { b"\xffraw\0\n" } else { b"\xffraw\0" };
            assert_eq!(record.log, expected);
            assert_eq!((record.stream, record.time), (StreamKind::Stderr, TIME));
            assert_eq!(record.attrs, attributes);
        }
    }

    #[test]
    fn damage_is_refused() {
        for damaged in [&b"\x1a\xff\x01x"[..], b"\x10", b"\x13x", &[0xff; 12]] {
            assert!(decode(damaged).is_none());
        }
    }
}
