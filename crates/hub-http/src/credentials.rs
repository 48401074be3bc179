//! The `Authorization` header.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header};
use hub::{Caller, Hub, HubError, Secret};

use crate::origin::Origin;

/// What a caller shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    None,
    Basic {
        name: String,
        password: Secret,
    },
    Bearer(String),
    /// Something, but nothing that is understood.
    Malformed,
}

impl Credentials {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Self::None };
        if values.next().is_some() {
            return Self::Malformed;
        }
        let parsed = value.to_str().ok().and_then(|text| {
            let (scheme, rest) = text.split_once(' ')?;
            match scheme.to_ascii_lowercase().as_str() {
                "bearer" => Some(Self::Bearer(rest.trim().to_owned())),
                "basic" => basic(rest.trim()),
                _ => None,
            }
        });
        parsed.unwrap_or(Self::Malformed)
    }

    /// Finds out whose they are.
    pub(crate) async fn caller(self, hub: &Hub, origin: Origin) -> Result<Caller, HubError> {
        match self {
            Self::None => Ok(Caller::Anonymous),
            Self::Malformed => Err(HubError::WrongCredentials),
            Self::Bearer(text) => Ok(Caller::Token(hub.verify(&text)?)),
            Self::Basic { name, password } => {
                Ok(Caller::Account(hub.login(&name, password, origin.peer).await?))
            }
        }
    }
}

fn basic(encoded: &str) -> Option<Credentials> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some(Credentials::Basic { name: name.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_schemes_and_refuses_the_rest() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
            Credentials::of(&headers)
        };
        let alice = Credentials::Basic { name: "alice".into(), password: Secret::new("pass:word") };
        assert_eq!(of("Basic YWxpY2U6cGFzczp3b3Jk"), alice);
        assert_eq!(of("bearer abc"), Credentials::Bearer("abc".into()));
        for bad in ["Basic", "Basic !", "Basic YWxpY2U=", "Digest x", "abc"] {
            assert_eq!(of(bad), Credentials::Malformed, "{bad}");
        }
        assert_eq!(Credentials::of(&HeaderMap::new()), Credentials::None);
    }
}
