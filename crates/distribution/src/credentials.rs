//! What proves who asks.

use types::Secret;

/// One of the three things that `X-Registry-Auth` may carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// A user name and its password (or access token).
    Password {
        /// Account.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// A refresh token from an earlier login (OAuth 2).
    IdentityToken(Secret),
    /// A bearer token to be sent as it is.
    RegistryToken(Secret),
}

impl Credentials {
    /// Chooses as Docker does from the four fields of an auth document: the registry token wins,
    /// then the identity token, then the user name; all empty means anonymous.
    #[must_use]
    pub fn from_fields(
        username: &str,
        password: &str,
        identity_token: &str,
        registry_token: &str,
    ) -> Option<Self> {
        if !registry_token.is_empty() {
            return Some(Self::RegistryToken(Secret::new(registry_token)));
        }
        if !identity_token.is_empty() {
            return Some(Self::IdentityToken(Secret::new(identity_token)));
        }
        if username.is_empty() {
            return None;
        }
        Some(Self::Password { username: username.to_owned(), password: Secret::new(password) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Credentials::from_fields("me", "hunter2", "", ""));
        assert!(shown.contains("me") && !shown.contains("hunter2"), "{shown}");
        let token = format!("{:?}", Credentials::from_fields("me", "x", "refresh", ""));
        assert!(!token.contains("refresh"), "{token}");
        assert_eq!(Credentials::from_fields("", "x", "", ""), None);
    }
}
