//! Image references: `[domain/]path[:tag][@digest]`.
//!
//! Grammar and the "familiar" short forms follow the `distribution/reference` package that every
//! Docker client uses: a first component without `.`, `:` or capitals that is not `localhost` is
//! part of the path and the domain is then `docker.io`; a one-component path on `docker.io` gets
//! the prefix `library/`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, DigestError};

/// The registry that a reference without a domain means.
pub const DEFAULT_DOMAIN: &str = "docker.io";
/// The tag that a reference without tag and digest means.
pub const DEFAULT_TAG: &str = "latest";
const OFFICIAL_PREFIX: &str = "library/";
const MAX_NAME_LEN: usize = 255;

/// A parsed, normalised image reference.
///
/// A bare name has neither tag nor digest; [`Reference::with_default_tag`] adds `latest`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: Box<str>,
    path: Box<str>,
    tag: Option<Box<str>>,
    digest: Option<Digest>,
}

/// Why a text is not a reference; the texts are those that Docker's clients show.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// Not of the grammar at all.
    #[error("invalid reference format")]
    Format,
    /// Capitals in the path.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// 64 hexadecimal characters: an image id, not a name.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId(String),
    /// Domain and path together exceed 255 characters.
    #[error("repository name must not be more than {MAX_NAME_LEN} characters")]
    TooLong,
    /// The part after `@` is not a digest.
    #[error("invalid reference format: {0}")]
    Digest(#[from] DigestError),
}

impl Reference {
    /// The registry's host and optional port, `docker.io` by default.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry, e.g. `library/busybox`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether neither tag nor digest was given.
    #[must_use]
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// The full repository name, `docker.io/library/busybox`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The name as people write it: `busybox`, `user/app`, `hub.example/app`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if &*self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            _ => self.path.to_string(),
        }
    }

    /// The reference as people write it, with tag and digest where present.
    #[must_use]
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_name();
        self.push_suffix(&mut text);
        text
    }

    /// Adds `:latest` when neither tag nor digest is there.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.is_name_only() {
            self.tag = Some(DEFAULT_TAG.into());
        }
        self
    }

    /// The same repository with another tag and no digest.
    ///
    /// # Errors
    /// [`ReferenceError::Format`] when `tag` is not a valid tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Format);
        }
        Ok(Self { tag: Some(tag.into()), digest: None, ..self.clone() })
    }

    /// The same repository named by a digest, without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    fn push_suffix(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
    }
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = text.bytes();
    bytes.next().is_some_and(is_word)
        && bytes.all(|b| is_word(b) || matches!(b, b'.' | b'-'))
        && text.len() <= 128
}

/// `alphanumeric [separator alphanumeric]*` with separator `.`, `_`, `__` or any run of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    if !is_word(*first) || !is_word(*last) {
        return false;
    }
    bytes
        .split(|b| is_word(*b))
        .filter(|gap| !gap.is_empty())
        .all(|gap| matches!(gap, b"." | b"_" | b"__") || gap.iter().all(|b| *b == b'-'))
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(at) if !text.ends_with(']') => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    };
    let port_ok = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let host_ok = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => !v6.is_empty() && v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        }),
    };
    port_ok && host_ok
}

fn split_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, name),
    }
}

fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rfind(':') {
        // A colon before the last slash belongs to the domain's port.
        Some(at) if !text[at..].contains('/') => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    }
}

fn check_path(path: &str) -> Result<(), ReferenceError> {
    if path.split('/').all(is_path_component) {
        return Ok(());
    }
    let lower = path.to_ascii_lowercase();
    if lower != path && lower.split('/').all(is_path_component) {
        return Err(ReferenceError::Uppercase(path.to_owned()));
    }
    Err(ReferenceError::Format)
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::LooksLikeId(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Format);
        }
        let (domain, path) = split_domain(name);
        check_path(path)?;
        if !is_domain(domain) {
            return Err(ReferenceError::Format);
        }
        let domain = if domain == "index.docker.io" { DEFAULT_DOMAIN } else { domain };
        let path = if domain == DEFAULT_DOMAIN && !path.contains('/') {
            format!("{OFFICIAL_PREFIX}{path}")
        } else {
            path.to_owned()
        };
        if domain.len() + 1 + path.len() > MAX_NAME_LEN {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self { domain: domain.into(), path: path.into(), tag: tag.map(Into::into), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.name();
        self.push_suffix(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String, Option<String>) {
        let r: Reference = text.parse().unwrap();
        (r.domain().into(), r.path().into(), r.tag().map(Into::into))
    }

    #[test]
    fn normalises_like_docker() {
        let of = |d: &str, p: &str, t: Option<&str>| (d.into(), p.into(), t.map(Into::into));
        assert_eq!(parsed("busybox"), of("docker.io", "library/busybox", None));
        assert_eq!(parsed("user/app:1.0"), of("docker.io", "user/app", Some("1.0")));
        assert_eq!(parsed("localhost/app"), of("localhost", "app", None));
        assert_eq!(parsed("127.0.0.1:5000/a/b:x"), of("127.0.0.1:5000", "a/b", Some("x")));
        assert_eq!(parsed("[::1]:5000/a"), of("[::1]:5000", "a", None));
        assert_eq!(parsed("hub.example/a__b/c--d"), of("hub.example", "a__b/c--d", None));
        assert_eq!(parsed("index.docker.io/x"), of("docker.io", "library/x", None));
    }

    #[test]
    fn familiar_forms() {
        for text in ["busybox", "busybox:1", "user/app:2", "h.example:5000/a/b"] {
            assert_eq!(text.parse::<Reference>().unwrap().familiar(), text);
        }
        let full = "docker.io/library/busybox:1".parse::<Reference>().unwrap();
        assert_eq!(full.familiar(), "busybox:1");
    }

    #[test]
    fn refuses_bad_forms() {
        for bad in ["", "a//b", "a:", "a:-x", "-a", "a/-b", "a___b", "a@sha256:zz", "a b", "/a"] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "user/App".parse::<Reference>(),
            Err(ReferenceError::Uppercase("user/App".into()))
        );
        assert!(matches!("a".repeat(64).parse::<Reference>(), Err(ReferenceError::LooksLikeId(_))));
    }
}
