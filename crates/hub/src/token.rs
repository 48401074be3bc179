//! Bearer tokens: JWT (RFC 7519) signed with Ed25519 (RFC 8037), with the claims of the
//! distribution project's token specification.
//!
//! One algorithm and one key: a header that says anything else is refused unread.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use registry::RepositoryName;
use serde::{Deserialize, Serialize};

use crate::{Access, Actions, SigningKey, UserName};

const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Between replicas; the specification asks for a check, not for equal clocks.
const LEEWAY_SECONDS: i64 = 10;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts, not base64, not the claims.
    #[error("malformed token")]
    Malformed,
    /// Not signed by this hub.
    #[error("token has a wrong signature")]
    Signature,
    /// Issued by or for somebody else.
    #[error("token is for another service")]
    Audience,
    /// Too late or too early.
    #[error("token has expired or is not valid yet")]
    Expired,
}

/// A verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose; nobody's when the asker was anonymous.
    pub subject: Option<UserName>,
    /// What it grants.
    pub access: Vec<Access>,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    access: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    r#type: String,
    name: String,
    actions: Vec<String>,
}

/// What surrounds a token.
pub(crate) struct Envelope<'a> {
    /// Issuer and audience.
    pub(crate) service: &'a str,
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// How long it is good.
    pub(crate) lifetime_seconds: i64,
    /// Unlike any other token's.
    pub(crate) id: String,
}

pub(crate) fn sign(key: &SigningKey, token: &Token, envelope: Envelope<'_>) -> String {
    let claims = Claims {
        iss: envelope.service.to_owned(),
        sub: token.subject.as_ref().map(ToString::to_string).unwrap_or_default(),
        aud: envelope.service.to_owned(),
        exp: envelope.now + envelope.lifetime_seconds,
        nbf: envelope.now,
        iat: envelope.now,
        jti: envelope.id,
        access: token.access.iter().map(entry).collect(),
    };
    let mut text = format!("{}.{}", part(&header(key)), part(&claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
    text.push('.');
    text.push_str(&signature);
    text
}

pub(crate) fn verify(
    key: &SigningKey,
    text: &str,
    service: &str,
    now: i64,
) -> Result<Token, TokenError> {
    if text.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let (message, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (head, body) = message.split_once('.').ok_or(TokenError::Malformed)?;
    if read::<Header>(head)? != header(key) {
        return Err(TokenError::Signature);
    }
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
    if !key.is_signature(message.as_bytes(), &signature) {
        return Err(TokenError::Signature);
    }
    let claims: Claims = read(body)?;
    if claims.iss != service || claims.aud != service {
        return Err(TokenError::Audience);
    }
    if now >= claims.exp + LEEWAY_SECONDS || now < claims.nbf - LEEWAY_SECONDS {
        return Err(TokenError::Expired);
    }
    let subject = match claims.sub.as_str() {
        "" => None,
        name => Some(name.parse().map_err(|_| TokenError::Malformed)?),
    };
    Ok(Token { subject, access: claims.access.iter().filter_map(access).collect() })
}

fn header(key: &SigningKey) -> Header {
    Header { typ: "JWT".into(), alg: "EdDSA".into(), kid: key.id().to_owned() }
}

fn part<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_vec(value).expect("header and claims are plain strings and numbers");
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

fn entry(access: &Access) -> Entry {
    match access {
        Access::Catalog => {
            Entry { r#type: "registry".into(), name: "catalog".into(), actions: vec!["*".into()] }
        }
        Access::Repository { name, actions } => Entry {
            r#type: "repository".into(),
            name: name.to_string(),
            actions: actions.names().map(Into::into).collect(),
        },
    }
}

fn access(entry: &Entry) -> Option<Access> {
    match (entry.r#type.as_str(), entry.name.as_str()) {
        ("registry", "catalog") => Some(Access::Catalog),
        ("repository", name) => Some(Access::Repository {
            name: name.parse::<RepositoryName>().ok()?,
            actions: Actions::from_names(entry.actions.iter().map(String::as_str)),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(now: i64) -> Envelope<'static> {
        Envelope { service: "hub", now, lifetime_seconds: 300, id: "1".into() }
    }

    fn key(dir: &tempfile::TempDir, name: &str) -> SigningKey {
        SigningKey::load_or_create(&dir.path().join(name)).unwrap()
    }

    #[test]
    fn verifies_what_it_signed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (key(&dir, "a"), key(&dir, "b"));
        let access = crate::parse_scopes("repository:alice/web:pull registry:catalog:*").unwrap();
        let token = Token { subject: Some("alice".parse().unwrap()), access };
        let text = sign(&ours, &token, envelope(1000));
        assert_eq!(verify(&ours, &text, "hub", 1000), Ok(token));
        assert_eq!(verify(&theirs, &text, "hub", 1000), Err(TokenError::Signature));
        assert_eq!(verify(&ours, &text, "other", 1000), Err(TokenError::Audience));
        assert_eq!(verify(&ours, &text, "hub", 1310), Err(TokenError::Expired));
        assert_eq!(verify(&ours, &text, "hub", 900), Err(TokenError::Expired));
        assert_eq!(verify(&ours, "a.b", "hub", 1000), Err(TokenError::Malformed));
    }

    #[test]
    fn refuses_a_changed_body_and_another_algorithm() {
        let dir = tempfile::tempdir().unwrap();
        let key = key(&dir, "a");
        let text = sign(&key, &Token { subject: None, access: vec![] }, envelope(1000));
        let parts: Vec<_> = text.split('.').collect();
        let admin = part(&serde_json::json!({"iss":"hub","sub":"root","aud":"hub","exp":9999,
            "nbf":0,"iat":0,"jti":"1","access":[]}));
        let forged = format!("{}.{admin}.{}", parts[0], parts[2]);
        assert_eq!(verify(&key, &forged, "hub", 1000), Err(TokenError::Signature));
        let none = part(&serde_json::json!({"typ":"JWT","alg":"none","kid":key.id()}));
        let unsigned = format!("{none}.{admin}.");
        assert_eq!(verify(&key, &unsigned, "hub", 1000), Err(TokenError::Signature));
    }
}
