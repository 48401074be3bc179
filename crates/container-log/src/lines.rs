//! Cutting a byte stream into log messages as Docker's copier does.
//!
//! A message is a line without its newline, or a part of 16 KiB of a longer line, or what is left
//! at the stream's end. Only an incomplete tail is ever kept.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::{MAX_MESSAGE_BYTES, Message, Part, Timestamp, message::PartId};

/// The unfinished line of one stream.
#[derive(Debug, Default)]
pub struct Lines {
    tail: Vec<u8>,
    /// A line of which parts have been emitted already.
    begun: Option<Begun>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    time: Timestamp,
    id: PartId,
    parts: u32,
}

impl Lines {
    /// Takes bytes read at `now` and emits every message that they complete.
    pub fn feed(&mut self, bytes: &[u8], now: Timestamp, mut emit: impl FnMut(Message<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = MAX_MESSAGE_BYTES - self.tail.len();
            // A newline behind `room` belongs to a line that is too long.
            let window = &rest[..rest.len().min(room)];
            let (used, is_complete) = match memchr(b'\n', window) {
                Some(at) => (at, true),
                None if window.len() == room => (room, false),
                None => break,
            };
            let (time, part) = self.next_part(is_complete, now);
            if self.tail.is_empty() {
                emit(Message { text: &rest[..used], time, part });
            } else {
                self.tail.extend_from_slice(&rest[..used]);
                emit(Message { text: &self.tail, time, part });
                self.tail = Vec::new();
            }
            rest = &rest[used + usize::from(is_complete)..];
        }
        self.tail.extend_from_slice(rest);
    }

    /// Emits what is left when the stream has ended.
    pub fn finish(&mut self, now: Timestamp, emit: impl FnOnce(Message<'_>)) {
        let tail = std::mem::take(&mut self.tail);
        if !tail.is_empty() {
            let (time, part) = self.next_part(false, now);
            emit(Message { text: &tail, time, part });
        }
        self.begun = None;
    }

    /// What has been read and is in no message yet.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        &self.tail
    }

    fn next_part(&mut self, is_complete: bool, now: Timestamp) -> (Timestamp, Option<Part>) {
        let begun = match self.begun.take() {
            None if is_complete => return (now, None),
            None => Begun { time: now, id: random_id(), parts: 0 },
            Some(begun) => begun,
        };
        let ordinal = begun.parts + 1;
        if !is_complete {
            self.begun = Some(Begun { parts: ordinal, ..begun });
        }
        (begun.time, Some(Part { id: begun.id, ordinal, is_last: is_complete }))
    }
}

/// Without entropy the id is zero: parts of a line are told apart by their ordinals still.
fn random_id() -> PartId {
    let mut id = PartId::default();
    if getrandom(&mut id, GetRandomFlags::NONBLOCK).is_err() {
        id = PartId::default();
    }
    id
}

/// The first position of `needle`, eight bytes at a time.
fn memchr(needle: u8, haystack: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let pattern = u64::from_ne_bytes([needle; 8]);
    let mut offset = 0;
    let (words, _) = haystack.as_chunks::<8>();
    for word in words {
        let difference = u64::from_ne_bytes(*word) ^ pattern;
        if difference.wrapping_sub(LOW) & !difference & HIGH != 0 {
            break;
        }
        offset += 8;
    }
    haystack[offset..].iter().position(|b| *b == needle).map(|at| offset + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp { seconds: 1, nanos: 0 };
    const LATER: Timestamp = Timestamp { seconds: 2, nanos: 0 };

    fn cut(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            lines.feed(chunk, NOW, |m| seen.push((m.text.to_vec(), m.is_complete())));
        }
        lines.finish(NOW, |m| seen.push((m.text.to_vec(), m.is_complete())));
        seen
    }

    #[test]
    fn lines_are_joined_across_reads_and_the_rest_comes_at_the_end() {
        let seen = cut(&[b"on", b"e\n\ntwo\nth", b"ree"]);
        let expected: [(&[u8], bool); 4] =
            [(b"one", true), (b"", true), (b"two", true), (b"three", false)];
        assert_eq!(seen, expected.map(|(t, c)| (t.to_vec(), c)));
    }

    #[test]
    fn long_lines_are_cut_at_16_kib_wherever_the_reads_end() {
        let line = vec![b'x'; 2 * MAX_MESSAGE_BYTES + 5];
        let mut text = line.clone();
        text.push(b'\n');
        let whole = cut(&[&text]);
        let lengths: Vec<_> = whole.iter().map(|(t, c)| (t.len(), *c)).collect();
        assert_eq!(lengths, [(16384, false), (16384, false), (5, true)]);
        let bytes: Vec<&[u8]> = text.chunks(1000).collect();
        assert_eq!(cut(&bytes), whole);
    }

    #[test]
    fn a_line_of_exactly_16_kib_is_a_part_and_an_empty_rest() {
        let mut text = vec![b'x'; MAX_MESSAGE_BYTES];
        text.push(b'\n');
        let lengths: Vec<_> = cut(&[&text]).iter().map(|(t, c)| (t.len(), *c)).collect();
        assert_eq!(lengths, [(16384, false), (0, true)]);
        let mut text = vec![b'x'; MAX_MESSAGE_BYTES - 1];
        text.push(b'\n');
        assert_eq!(cut(&[&text]).len(), 1);
    }

    #[test]
    fn parts_of_one_line_share_its_time() {
        let mut lines = Lines::default();
        let mut times = Vec::new();
        lines.feed(&[b'x'; MAX_MESSAGE_BYTES], NOW, |m| times.push(m.time));
        lines.feed(b"y\nz\n", LATER, |m| times.push(m.time));
        assert_eq!(times, [NOW, NOW, LATER]);
    }

    #[test]
    fn parts_of_one_line_share_an_id_and_are_counted() {
        let mut lines = Lines::default();
        let mut parts = Vec::new();
        let mut text = vec![b'x'; 2 * MAX_MESSAGE_BYTES + 1];
        text.extend_from_slice(b"\nwhole\n");
        text.extend_from_slice(&[b'y'; MAX_MESSAGE_BYTES]);
        lines.feed(&text, NOW, |m| parts.push(m.part));
        let ordinals: Vec<_> = parts.iter().map(|p| p.map(|p| (p.ordinal, p.is_last))).collect();
        let expected =
            [Some((1, false)), Some((2, false)), Some((3, true)), None, Some((1, false))];
        assert_eq!(ordinals, expected);
        let ids: Vec<_> = parts.iter().flatten().map(|p| p.id).collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3]);
    }

    #[test]
    fn the_search_finds_every_position() {
        for at in 0..40 {
            let mut text = vec![0x8a; 40];
            text[at] = b'\n';
            assert_eq!(memchr(b'\n', &text), Some(at));
        }
        assert_eq!(memchr(b'\n', &[0x0b; 33]), None);
    }
}
