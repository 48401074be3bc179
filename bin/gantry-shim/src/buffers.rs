//! Memory for moving bytes, there only while bytes move.
//!
//! Both buffers are large enough to be mappings of their own (see `sys::heap`), so an idle shim
//! holds none of their pages.

/// One read's worth: what a pipe holds by default.
pub const READ_BYTES: usize = 64 << 10;

/// Buffers that all streams share.
#[derive(Debug, Default)]
pub struct Buffers {
    read: Vec<u8>,
    /// For encoding log messages.
    pub encoded: Vec<u8>,
}

impl Buffers {
    /// Lends the read buffer out, making it if need be; [`Buffers::give_back`] returns it.
    pub fn take_read(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.read);
        if buffer.len() < READ_BYTES {
            buffer = vec![0; READ_BYTES];
        }
        buffer
    }

    /// Takes the read buffer back.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        self.read = buffer;
    }

    /// Whether there is anything to release.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.read.capacity() > 0 || self.encoded.capacity() > 0
    }

    /// Frees both.
    pub fn release(&mut self) {
        self.read = Vec::new();
        self.encoded = Vec::new();
    }
}
