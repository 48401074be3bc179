//! Who has an account.

use std::{fmt, str::FromStr};

use types::Secret;

use crate::Role;

const MIN_PASSWORD_BYTES: usize = 8;
const MAX_PASSWORD_BYTES: usize = 512;
/// First components of paths that the hub serves or may serve: nobody's namespace.
const RESERVED: [&str; 14] = [
    "_catalog", "admin", "api", "explore", "healthz", "library", "login", "metrics", "readyz",
    "search", "settings", "token", "v1", "v2",
];

/// An account's name, which is also the first component of its repositories' names.
///
/// 2 to 40 characters: lower-case letters and digits, with single `-`, `_` or `.` between them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Box<str>);

/// Why a name or a password is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Not of the form.
    #[error(
        "user name must be 2 to 40 lower-case letters and digits, with single '-', '_' or '.' \
         between them"
    )]
    Name,
    /// A name that the hub keeps for itself.
    #[error("user name is reserved")]
    Reserved,
    /// Too short or too long.
    #[error("password must have {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes")]
    Password,
}

impl UserName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let is_form = (2..=40).contains(&bytes.len())
            && bytes.iter().all(|b| is_word(*b) || matches!(b, b'-' | b'_' | b'.'))
            && bytes.windows(2).all(|pair| is_word(pair[0]) || is_word(pair[1]))
            && is_word(bytes[0])
            && is_word(bytes[bytes.len() - 1]);
        if !is_form {
            return Err(AccountError::Name);
        }
        if RESERVED.contains(&text) {
            return Err(AccountError::Reserved);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that a text may become somebody's password.
pub(crate) fn check_password(password: &Secret) -> Result<(), AccountError> {
    let length = password.expose().len();
    let is_long_enough = (MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES).contains(&length);
    if is_long_enough { Ok(()) } else { Err(AccountError::Password) }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: UserName,
    /// What it is.
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_path_components() {
        for good in ["alice", "a1", "a-b_c.d"] {
            assert!(good.parse::<UserName>().is_ok(), "{good:?}");
        }
        let long = "a".repeat(41);
        for bad in ["", "a", "Alice", "a/b", "..", "a..b", "-a", "a-", "a b", "a:b", "é1", &long] {
            assert_eq!(bad.parse::<UserName>(), Err(AccountError::Name), "{bad:?}");
        }
        assert_eq!("library".parse::<UserName>(), Err(AccountError::Reserved));
    }
}
