//! Reading attributes (type, length, value) out of an answer.

/// Iterates over the attributes in `bytes`; stops at the first one that is cut short.
#[must_use]
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// Returns the value of the first attribute `kind` in `bytes`.
#[must_use]
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Pairs of attribute type (without its flag bits) and value.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & super::message::TYPE_MASK;
        let value = self.rest.get(4..length)?;
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_message_writes() {
        let mut message = super::super::Message::new(1, 0, &[]);
        message.put(3, b"abc").nest(4, |inner| {
            inner.put_u32(1, 7);
        });
        let body = &message.bytes()[16..];
        assert_eq!(find(body, 3), Some(&b"abc"[..]));
        let nested = find(body, 4).unwrap();
        assert_eq!(find(nested, 1), Some(&7u32.to_ne_bytes()[..]));
    }

    #[test]
    fn stops_at_damage() {
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0); // shorter than its own header
        assert_eq!(attributes(&[200, 0, 1, 0, 0]).count(), 0); // longer than the buffer
        assert_eq!(attributes(&[]).count(), 0);
    }
}
