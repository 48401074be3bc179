//! Content digests, `algorithm:encoded`, as in OCI image-spec 1.1 (descriptor.md, "Digests").
//!
//! Only `sha256` and `sha512` are accepted: the two registered algorithms.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The hash function of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, 64 hexadecimal characters.
    Sha256,
    /// SHA-512, 128 hexadecimal characters.
    Sha512,
}

impl Algorithm {
    /// The registered name, as it stands before the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// A well-formed content digest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

/// Why a text is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DigestError {
    /// No colon, or nothing on one of its sides.
    #[error("invalid checksum digest format: {0:?}")]
    Format(String),
    /// An algorithm that is not registered.
    #[error("unsupported digest algorithm: {0:?}")]
    Algorithm(String),
    /// Not lower-case hexadecimal of the algorithm's length.
    #[error("invalid checksum digest length or characters: {0:?}")]
    Encoding(String),
}

impl Digest {
    /// Makes a digest from the 32 bytes of a SHA-256 sum.
    #[must_use]
    pub fn from_sha256(sum: &[u8; 32]) -> Self {
        Self { algorithm: Algorithm::Sha256, hex: hex::encode(sum).into_boxed_str() }
    }

    /// Makes a SHA-256 digest from 64 lower-case hexadecimal characters.
    ///
    /// # Errors
    /// [`DigestError::Encoding`] when it is anything else.
    pub fn from_sha256_hex(hex: &str) -> Result<Self, DigestError> {
        check_hex(Algorithm::Sha256, hex)?;
        Ok(Self { algorithm: Algorithm::Sha256, hex: hex.into() })
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The lower-case hexadecimal part.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first 12 hexadecimal characters: what `docker` shows as a short id.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }
}

fn check_hex(algorithm: Algorithm, hex: &str) -> Result<(), DigestError> {
    let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex.len() == algorithm.hex_len() && is_hex {
        Ok(())
    } else {
        Err(DigestError::Encoding(hex.to_owned()))
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some((name, hex)) = text.split_once(':') else {
            return Err(DigestError::Format(text.to_owned()));
        };
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            "" => return Err(DigestError::Format(text.to_owned())),
            other => return Err(DigestError::Algorithm(other.to_owned())),
        };
        check_hex(algorithm, hex)?;
        Ok(Self { algorithm, hex: hex.into() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_registered_algorithms_only() {
        let hex = "a".repeat(64);
        assert_eq!(format!("sha256:{hex}").parse::<Digest>().unwrap().hex(), hex);
        assert!(matches!(format!("md5:{hex}").parse::<Digest>(), Err(DigestError::Algorithm(_))));
        assert!(matches!("sha256:AB".parse::<Digest>(), Err(DigestError::Encoding(_))));
        assert!(matches!("sha256".parse::<Digest>(), Err(DigestError::Format(_))));
        let upper = format!("sha256:{}", "A".repeat(64));
        assert!(matches!(upper.parse::<Digest>(), Err(DigestError::Encoding(_))));
    }
}
