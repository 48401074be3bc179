//! Names of repositories and tags, by the grammar of distribution-spec 1.1, "Pulling manifests".

use std::{fmt, str::FromStr};

use types::Digest;

const MAX_NAME_LEN: usize = 255;
const MAX_TAG_LEN: usize = 128;

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a repository name.
    #[error("invalid repository name")]
    Repository,
    /// Not a tag and not a digest.
    #[error("invalid tag or digest")]
    Reference,
}

/// A repository's name, e.g. `alice/web`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Box<str>);

/// A tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

/// How a request names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestReference {
    /// By tag.
    Tag(Tag),
    /// By digest.
    Digest(Digest),
}

impl RepositoryName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first component when there are more: whose repository it is.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.split_once('/').map(|(first, _)| first)
    }
}

/// `alphanumeric [separator alphanumeric]*`, separators `.`, `_`, `__` and runs of `-`.
fn is_component(text: &str) -> bool {
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_are_words = bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word);
    ends_are_words
        && bytes
            .split(is_word)
            .filter(|gap| !gap.is_empty())
            .all(|gap| matches!(gap, b"." | b"_" | b"__") || gap.iter().all(|b| *b == b'-'))
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_name = text.len() <= MAX_NAME_LEN && text.split('/').all(is_component);
        if is_name { Ok(Self(text.into())) } else { Err(NameError::Repository) }
    }
}

impl Tag {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        let is_tag = bytes.next().is_some_and(is_word)
            && bytes.all(|b| is_word(b) || matches!(b, b'.' | b'-'))
            && text.len() <= MAX_TAG_LEN;
        if is_tag { Ok(Self(text.into())) } else { Err(NameError::Reference) }
    }
}

impl FromStr for ManifestReference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains(':') {
            return text.parse().map(Self::Digest).map_err(|_| NameError::Reference);
        }
        text.parse().map(Self::Tag)
    }
}

macro_rules! shown_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
shown_as_text!(RepositoryName, Tag);

impl fmt::Display for ManifestReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => fmt::Display::fmt(tag, f),
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_grammar() {
        for good in ["a", "alice/web", "a/b/c", "a__b/c--d", "a.b", "0"] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good:?}");
        }
        let long = "a".repeat(256);
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", "A", "a___b", "-a", "a b", &long] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad:?}");
        }
        assert_eq!("alice/web".parse::<RepositoryName>().unwrap().namespace(), Some("alice"));
        assert_eq!("web".parse::<RepositoryName>().unwrap().namespace(), None);
    }

    #[test]
    fn references_are_tags_or_digests() {
        assert!(matches!("v1.0_x-Y".parse(), Ok(ManifestReference::Tag(_))));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert!(matches!(digest.parse(), Ok(ManifestReference::Digest(_))));
        let long = "a".repeat(129);
        for bad in ["", ".a", "-a", "a/b", "sha256:abc", "a b", "..", &long] {
            assert!(bad.parse::<ManifestReference>().is_err(), "{bad:?}");
        }
    }
}
