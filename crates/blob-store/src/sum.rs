//! Hashing while bytes pass by.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256, Sha512};
use types::{Digest, digest::Algorithm};

/// The running SHA-256 of an upload's bytes, together with how many it has seen.
#[derive(Clone, Default)]
pub(crate) struct RunningSum {
    hasher: Sha256,
    seen: u64,
}

impl RunningSum {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.seen += bytes.len() as u64;
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether the bytes seen are all of `size` and have `expected`; `None` when this sum cannot
    /// tell (another algorithm, or bytes were written past it).
    pub(crate) fn confirms(&self, expected: &Digest, size: u64) -> Option<bool> {
        let can_tell = expected.algorithm() == Algorithm::Sha256 && self.seen == size;
        can_tell.then(|| hex::encode(self.hasher.clone().finalize()) == expected.hex())
    }
}

/// Hashes a whole reader with the algorithm of `expected` and compares.
pub(crate) fn matches(mut reader: impl Read, expected: &Digest) -> io::Result<bool> {
    match expected.algorithm() {
        Algorithm::Sha256 => hash_all::<Sha256>(&mut reader, expected),
        Algorithm::Sha512 => hash_all::<Sha512>(&mut reader, expected),
    }
}

fn hash_all<H: sha2::Digest>(reader: &mut impl Read, expected: &Digest) -> io::Result<bool> {
    let mut hasher = H::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hasher.finalize()) == expected.hex()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
