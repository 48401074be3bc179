//! Versions of the API: `1.24` to `1.55`.

use std::{fmt, str::FromStr};

/// A version of the API, ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

/// The text is not `NUMBER.NUMBER`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid API version {0:?}")]
pub struct ApiVersionError(String);

impl ApiVersion {
    /// The newest version, which requests without a version mean.
    pub const NEWEST: Self = Self::new(1, 55);
    /// The oldest version that is answered.
    pub const OLDEST: Self = Self::new(1, 24);

    /// A version from its numbers.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether this is version 1.`minor` or newer.
    #[must_use]
    pub fn is_at_least(self, minor: u16) -> bool {
        self >= Self::new(1, minor)
    }

    /// Whether this is older than version 1.`minor`.
    #[must_use]
    pub fn is_before(self, minor: u16) -> bool {
        !self.is_at_least(minor)
    }
}

impl FromStr for ApiVersion {
    type Err = ApiVersionError;

    fn from_str(text: &str) -> Result<Self, ApiVersionError> {
        let bad = || ApiVersionError(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(bad)?;
        let number = |part: &str| {
            let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| part.parse::<u16>().ok()).flatten().ok_or_else(bad)
        };
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers_not_as_text() {
        let old: ApiVersion = "1.9".parse().unwrap();
        assert!(old < "1.24".parse().unwrap());
        assert!(ApiVersion::NEWEST.is_at_least(52));
        assert!(ApiVersion::new(1, 41).is_before(42));
        assert_eq!(ApiVersion::NEWEST.to_string(), engine_api::API_VERSION);
        assert_eq!(ApiVersion::OLDEST.to_string(), engine_api::MIN_API_VERSION);
        for bad in ["1", "1.", "v1.2", "1.+2", "1.2.3", "1.99999999"] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad}");
        }
    }
}
