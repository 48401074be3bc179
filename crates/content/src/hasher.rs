//! Digests of byte streams.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256, Sha512};
use types::{Digest, digest::Algorithm};

/// Computes the digest of the bytes it is fed.
#[derive(Debug, Clone)]
pub struct Hasher(State);

#[derive(Debug, Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Starts a digest.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Returns the digest of all bytes fed.
    #[must_use]
    pub fn finish(self) -> Digest {
        let (algorithm, sum) = match self.0 {
            State::Sha256(state) => (Algorithm::Sha256, hex::encode(state.finalize())),
            State::Sha512(state) => (Algorithm::Sha512, hex::encode(state.finalize())),
        };
        format!("{}:{sum}", algorithm.as_str())
            .parse()
            .expect("a hash sum in hexadecimal is a digest of its algorithm")
    }

    /// Returns the digest of a slice.
    #[must_use]
    pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Self::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Feeds everything that `reader` gives, and returns how many bytes that was.
    ///
    /// # Errors
    /// What the reader says.
    pub fn update_from(&mut self, reader: &mut impl Read) -> io::Result<u64> {
        let mut buffer = vec![0; 256 * 1024];
        let mut total = 0;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.update(&buffer[..count]);
            total += count as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_sums_of_abc() {
        let sha256 = Hasher::digest(Algorithm::Sha256, b"abc").to_string();
        assert!(sha256.starts_with("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9c"));
        let mut hasher = Hasher::new(Algorithm::Sha512);
        assert_eq!(hasher.update_from(&mut &b"abc"[..]).unwrap(), 3);
        let sha512 = hasher.finish().to_string();
        assert!(sha512.starts_with("sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2"));
    }
}
