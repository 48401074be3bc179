//! Writing one message.

/// Header flags (`NLM_F_*`).
pub mod flag {
    /// Every request to the kernel has it.
    pub const REQUEST: u16 = 1;
    /// Asks for an acknowledgement also of success.
    pub const ACK: u16 = 4;
    /// With [`CREATE`]: an existing object is an error.
    pub const EXCLUSIVE: u16 = 0x200;
    /// Makes the object if it is not there.
    pub const CREATE: u16 = 0x400;
    /// Adds at the end (nftables rules).
    pub const APPEND: u16 = 0x800;
    /// Asks for all objects of a kind (`NLM_F_ROOT | NLM_F_MATCH`).
    pub const DUMP: u16 = 0x300;
    /// Set by the kernel: the objects changed while they were dumped.
    pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
    /// Set by the kernel on an error message that has attributes of its own.
    pub(crate) const ACK_ATTRIBUTES: u16 = 0x200;
    /// Set by the kernel: an acknowledgement does not quote the request.
    pub(crate) const CAPPED: u16 = 0x100;
}

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER_BYTES: usize = 16;
/// Attribute types without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
pub(crate) const TYPE_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// A message being built: `nlmsghdr`, the family's fixed header, attributes.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Starts a message of type `kind` with the family's fixed `header`.
    ///
    /// [`flag::REQUEST`] is implied.
    #[must_use]
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]); // length: written by `finish`
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | flag::REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]); // sequence: by `finish`; port: the kernel's
        let mut message = Self { bytes };
        message.raw(header);
        message
    }

    /// Appends bytes that are not an attribute (a fixed header inside a nest), padded to four.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Appends an attribute.
    ///
    /// # Panics
    /// When `value` does not fit an attribute's 16-bit length: callers bound what they write.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(&attribute_length(value.len() + 4).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.raw(value)
    }

    /// Appends a text with its terminating zero.
    pub fn put_text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut value = Vec::with_capacity(text.len() + 1);
        value.extend_from_slice(text.as_bytes());
        value.push(0);
        self.put(kind, &value)
    }

    /// Appends a number in the machine's byte order (rtnetlink).
    pub fn put_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Appends a number in network byte order (netfilter).
    pub fn put_be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// Appends an attribute whose value is what `body` writes.
    ///
    /// # Panics
    /// As [`Message::put`].
    pub fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        body(self);
        let length = attribute_length(self.bytes.len() - start);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// Returns the message as far as it is written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether an answer comes even when all is well.
    pub(crate) fn wants_ack(&self) -> bool {
        u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) & flag::ACK != 0
    }

    pub(crate) fn add_flags(&mut self, flags: u16) {
        let all = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]) | flags;
        self.bytes[6..8].copy_from_slice(&all.to_ne_bytes());
    }

    pub(crate) fn finish(&mut self, sequence: u32) -> &[u8] {
        let length = u32::try_from(self.bytes.len()).expect("messages are far below 4 GiB");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes
    }
}

fn attribute_length(length: usize) -> u16 {
    u16::try_from(length).expect("callers bound an attribute below 64 KiB")
}
