//! Names that people give: containers and volumes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a valid name; the text is the one Docker's clients show.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// A container name outside `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    Container(String),
    /// A volume name outside the same alphabet.
    #[error(
        "create {0}: \"{0}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    Volume(String),
    /// A volume name of one character.
    #[error(
        "create {0}: volume name is too short, names should be at least two alphanumeric characters"
    )]
    VolumeTooShort(String),
}

fn is_restricted(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && text.len() <= 255
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name without a leading slash.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

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

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A container's name, kept without the leading slash that the API shows.
    ContainerName
);
name!(
    /// A named or anonymous volume's name.
    VolumeName
);

impl FromStr for ContainerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bare = text.strip_prefix('/').unwrap_or(text);
        if is_restricted(bare) && bare.len() >= 2 {
            Ok(Self(bare.into()))
        } else {
            Err(NameError::Container(text.to_owned()))
        }
    }
}

impl FromStr for VolumeName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() == 1 {
            return Err(NameError::VolumeTooShort(text.to_owned()));
        }
        if is_restricted(text) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Volume(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names() {
        assert_eq!("/web_1".parse::<ContainerName>().unwrap().as_str(), "web_1");
        for bad in ["", "a", "_a", "a/b", "ä1", "-x"] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn volume_names() {
        assert!("data".parse::<VolumeName>().is_ok());
        assert!(matches!("d".parse::<VolumeName>(), Err(NameError::VolumeTooShort(_))));
        assert!(matches!("../x".parse::<VolumeName>(), Err(NameError::Volume(_))));
    }
}
