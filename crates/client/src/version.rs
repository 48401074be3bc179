//! API versions: what this client speaks and how it settles on one.
//!
//! The first request goes out with the newest version. An engine that is older refuses with its
//! own newest version in the `Api-Version` header (and in its message), which is used from then on.

use std::{fmt, str::FromStr};

/// `MAJOR.MINOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: u16,
    /// Compared as a number: 1.9 is older than 1.24.
    pub minor: u16,
}

/// The newest version this client speaks.
pub const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 55 };
/// The oldest version this client speaks.
pub const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 24 };

/// A text is not of the form `MAJOR.MINOR`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid API version {0:?}")]
pub struct BadVersion(String);

impl FromStr for ApiVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let parse = || {
            let (major, minor) = text.trim_start_matches('v').split_once('.')?;
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        };
        parse().ok_or_else(|| BadVersion(text.to_owned()))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Whether a refusal means "your version is newer than mine", and if so which is the engine's.
pub(crate) fn refused_as_too_new(
    status: u16,
    header: Option<&str>,
    message: &str,
) -> Option<ApiVersion> {
    if status != 400 || !message.contains("is too new") {
        return None;
    }
    let named = message.rsplit(' ').next().and_then(|word| word.trim_end_matches('.').parse().ok());
    named.or_else(|| header.and_then(|h| h.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!("1.9".parse::<ApiVersion>().unwrap() < OLDEST);
        assert_eq!("v1.50".parse::<ApiVersion>().unwrap().to_string(), "1.50");
        assert!("x".parse::<ApiVersion>().is_err());
    }

    #[test]
    fn a_refusal_names_the_engines_version() {
        let message = "client version 1.55 is too new. Maximum supported API version is 1.41";
        let found = refused_as_too_new(400, None, message).unwrap();
        assert_eq!(found.to_string(), "1.41");
        assert_eq!(refused_as_too_new(400, Some("1.41"), "bad parameter"), None);
        assert_eq!(refused_as_too_new(500, Some("1.41"), message), None);
    }
}
