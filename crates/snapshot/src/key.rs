//! Names of writable snapshots.

use std::{fmt, str::FromStr};

use types::ContainerId;

/// The name of a writable snapshot: what its directory is called.
///
/// 1 to 128 letters, digits, `_`, `.` and `-`, not starting with a dot. A container's snapshot is
/// named by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

/// Why a text is no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid snapshot key {0:?}")]
pub struct KeyError(pub String);

impl Key {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let is_key = (1..=128).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(is_allowed);
        if is_key { Ok(Self(text.into())) } else { Err(KeyError(text.to_owned())) }
    }
}

impl From<&ContainerId> for Key {
    fn from(id: &ContainerId) -> Self {
        Self(id.as_str().into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_harmless_file_name() {
        assert!("a1_b.c-d".parse::<Key>().is_ok());
        for bad in ["", ".", "..", ".tmp", "a/b", "a b", "a\0", &"x".repeat(129)] {
            assert_eq!(bad.parse::<Key>(), Err(KeyError(bad.to_owned())));
        }
    }
}
