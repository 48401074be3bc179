//! Docker's framing of several streams on one connection (`multiplexed-stream`).
//!
//! ```text
//! byte 0     stream: 0 stdin, 1 stdout, 2 stderr, 3 system error
//! byte 1-3   zero
//! byte 4-7   length of the payload, big endian
//! byte 8-    payload
//! ```

use bytes::{BufMut, Bytes, BytesMut};

/// The length of a frame's header.
pub const HEADER_LEN: usize = 8;

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// Standard input; clients never see it.
    Stdin = 0,
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
    /// A failure of the engine in the middle of a stream.
    SystemError = 3,
}

/// The header of a frame with a payload of `length` bytes.
#[must_use]
pub fn header(stream: Stream, length: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}

/// One whole frame.
///
/// # Panics
/// Never for payloads below 4 GiB; longer ones are not produced by any reader here.
#[must_use]
pub fn frame(stream: Stream, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).expect("a read buffer is far below 4 GiB");
    let mut frame = BytesMut::with_capacity(HEADER_LEN + payload.len());
    frame.put_slice(&header(stream, length));
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_header_and_its_payload() {
        assert_eq!(&frame(Stream::Stderr, b"hi")[..], b"\x02\0\0\0\0\0\0\x02hi");
    }
}
