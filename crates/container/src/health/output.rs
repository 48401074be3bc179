//! What a probe said, as much as is kept of it.

/// Docker's bound.
const MAX_BYTES: usize = 4096;
/// A header of the multiplexed framing: stream, three zeros, length.
const HEADER_BYTES: usize = 8;

/// The first 4096 bytes of a probe's output, with a mark if there was more.
#[derive(Debug, Default)]
pub struct Output {
    kept: Vec<u8>,
    is_cut: bool,
}

impl Output {
    /// Adds bytes as far as there is room.
    pub fn add(&mut self, bytes: &[u8]) {
        let room = MAX_BYTES - self.kept.len();
        self.is_cut |= bytes.len() > room;
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// As text; bytes that are none are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.kept).into_owned();
        if self.is_cut {
            text.push_str("...");
        }
        text
    }
}

/// Takes multiplexed frames apart, however they are cut.
#[derive(Debug, Default)]
pub struct Frames {
    header: Vec<u8>,
    left: usize,
}

impl Frames {
    /// Hands the payload in `bytes` to `output`.
    pub fn feed(&mut self, mut bytes: &[u8], output: &mut Output) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (payload, rest) = bytes.split_at(self.left.min(bytes.len()));
                output.add(payload);
                self.left -= payload.len();
                bytes = rest;
                continue;
            }
            let missing = HEADER_BYTES - self.header.len();
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            self.header.extend_from_slice(part);
            bytes = rest;
            if let Ok(header) = <[u8; HEADER_BYTES]>::try_from(self.header.as_slice()) {
                let [.., a, b, c, d] = header;
                self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                self.header.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_joined_wherever_they_are_cut() {
        let stream = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x02de\x01\0\0\0\0\0\0\0";
        for size in 1..stream.len() {
            let (mut frames, mut output) = (Frames::default(), Output::default());
            stream.chunks(size).for_each(|chunk| frames.feed(chunk, &mut output));
            assert_eq!(output.text(), "abcde", "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_marked() {
        let mut output = Output::default();
        output.add(&[b'a'; MAX_BYTES]);
        assert_eq!(output.text().len(), MAX_BYTES);
        output.add(b"b");
        output.add(b"c");
        assert_eq!(output.text(), format!("{}...", "a".repeat(MAX_BYTES)));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut output = Output::default();
        output.add(b"a\xff");
        assert_eq!(output.text(), "a\u{fffd}");
    }
}
