//! The wire from a supervisor to `gantry-logger`, over a connected unix stream socket.
//!
//! ```text
//! first     u32 LE length | JSON of a `sink::Configuration`
//! back      one byte: 0 ready; 1 failed, followed by the error's text and the end
//! and later 2, followed by the text of a complaint
//! then      u32 LE length | stream 1|2 | i64 LE nanoseconds | part | text      (per message)
//! part      0, or: 1 (2 if the last) | u32 LE ordinal | 32 bytes id
//! ```
//! The end of the stream is the end of the log.

use crate::{Message, Part, StreamKind, Timestamp};

/// Longest frame; a configuration is the largest.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// What the logger answers when its sink is ready.
pub const READY: u8 = 0;
/// What it answers before the text of a failure.
pub const FAILED: u8 = 1;

/// What it says before the text of a failure later on.
pub const COMPLAINT: u8 = 2;

const LENGTH_BYTES: usize = 4;

/// Appends a frame around `body`.
pub fn put_frame(out: &mut Vec<u8>, body: &[u8]) {
    let length = u32::try_from(body.len()).expect("frames are far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(body);
}

/// Appends a message.
pub fn put_message(out: &mut Vec<u8>, stream: StreamKind, message: &Message<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.push(stream.number());
    out.extend_from_slice(&message.time.unix_nanos().to_le_bytes());
    match message.part {
        None => out.push(0),
        Some(part) => {
            out.push(1 + u8::from(part.is_last));
            out.extend_from_slice(&part.ordinal.to_le_bytes());
            out.extend_from_slice(&part.id);
        }
    }
    out.extend_from_slice(message.text);
    let length = u32::try_from(out.len() - start - LENGTH_BYTES).expect("messages have 16 KiB");
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
}

/// Reads a message's frame; `None` when it is none.
#[must_use]
pub fn parse_message(mut frame: &[u8]) -> Option<(StreamKind, Message<'_>)> {
    let stream = match frame.split_off_first()? {
        1 => StreamKind::Stdout,
        2 => StreamKind::Stderr,
        _ => return None,
    };
    let nanos = i64::from_le_bytes(*frame.split_off(..8)?.first_chunk()?);
    let part = match frame.split_off_first()? {
        0 => None,
        kind @ (1 | 2) => {
            let ordinal = u32::from_le_bytes(*frame.split_off(..4)?.first_chunk()?);
            let id = *frame.split_off(..32)?.first_chunk()?;
            Some(Part { id, ordinal, is_last: *kind == 2 })
        }
        _ => return None,
    };
    Some((stream, Message { text: frame, time: Timestamp::from_unix_nanos(nanos), part }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_whole() {
        let part = Part { id: [3; 32], ordinal: 4, is_last: true };
        for part in [None, Some(part), Some(Part { is_last: false, ..part })] {
            let time = Timestamp { seconds: 5, nanos: 6 };
            let message = Message { text: b"text", time, part };
            let mut out = Vec::new();
            put_message(&mut out, StreamKind::Stderr, &message);
            let length = u32::from_le_bytes(*out.first_chunk().unwrap()) as usize;
            assert_eq!(length, out.len() - LENGTH_BYTES);
            assert_eq!(parse_message(&out[LENGTH_BYTES..]), Some((StreamKind::Stderr, message)));
        }
        assert_eq!(parse_message(b""), None);
        assert_eq!(parse_message(&[3; 40]), None);
    }
}
