//! Values with a form of their own in the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An address as clap parses it.
pub type Host = engine_http::server::Address;

/// Addresses as texts.
pub mod hosts {
    use super::*;

    pub fn serialize<S: Serializer>(hosts: &[Host], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(hosts.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Host>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
    }
}

/// An external OCI runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Runtime {
    /// The program.
    pub path: PathBuf,
    /// Its first arguments.
    #[serde(default)]
    pub runtime_args: Vec<String>,
}

/// A pool that networks are cut from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub struct AddressPool {
    /// The whole.
    pub base: String,
    /// The prefix length of each network.
    pub size: u8,
}

/// One default limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Ulimit {
    /// The same as its key.
    pub name: String,
    /// -1 is unlimited.
    pub hard: i64,
    /// -1 is unlimited.
    pub soft: i64,
}

/// What the engine does where it can, always, or never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// Where it has no price.
    #[default]
    Auto,
    /// Wherever it is possible.
    On,
    /// Never.
    Off,
}

/// Bytes, written as a number or with a unit: `64m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of bytes or a text such as \"64M\"")]
        enum Form {
            Bytes(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Bytes(bytes) => Ok(Self(bytes)),
            Form::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("invalid size: {text:?}");
        let lower = text.trim().to_ascii_lowercase();
        let plain = lower.strip_suffix('b').unwrap_or(&lower);
        let plain = plain.strip_suffix('i').unwrap_or(plain);
        let (digits, shift) = match plain.as_bytes().last() {
            Some(b'k') => (&plain[..plain.len() - 1], 10),
            Some(b'm') => (&plain[..plain.len() - 1], 20),
            Some(b'g') => (&plain[..plain.len() - 1], 30),
            Some(b't') => (&plain[..plain.len() - 1], 40),
            _ => (plain, 0),
        };
        let number: u64 = digits.trim().parse().map_err(|_| bad())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0).ok();
        assert_eq!(size("5"), Some(5));
        assert_eq!(size("64m"), Some(64 << 20));
        assert_eq!(size("1GiB"), Some(1 << 30));
        assert_eq!(size("2 KB"), Some(2048));
        for bad in ["", "m", "-1", "1x", "99999999999t"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
