//! Readers that show what passes through them.

use std::io::{self, Read};

/// Calls `seen` with everything that is read.
pub(crate) struct Tee<R, F> {
    inner: R,
    seen: F,
}

impl<R: Read, F: FnMut(&[u8]) -> io::Result<()>> Tee<R, F> {
    pub(crate) fn new(inner: R, seen: F) -> Self {
        Self { inner, seen }
    }
}

impl<R: Read, F: FnMut(&[u8]) -> io::Result<()>> Read for Tee<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.seen)(&buffer[..count])?;
        Ok(count)
    }
}

/// Reads to the end and drops what comes.
pub(crate) fn drain(reader: &mut dyn Read) -> io::Result<u64> {
    let mut buffer = vec![0u8; 128 * 1024];
    let mut total = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => total += count as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
