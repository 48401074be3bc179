//! Configurations: dates, digests, and making new ones.

use std::time::{SystemTime, UNIX_EPOCH};

use content::Hasher;
use oci::image::ImageConfig;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use types::{Digest, digest::Algorithm};

use crate::ImageError;

/// The longest configuration that is read.
pub(crate) const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// Nanoseconds since the epoch.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Now, as it stands in configurations.
pub(crate) fn now_rfc3339() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).expect("a date of this millennium has an RFC form")
}

/// An RFC 3339 date in nanoseconds since the epoch; 0 when there is none or it is not one.
pub(crate) fn date_ns(text: Option<&str>) -> i64 {
    let date = text.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    date.and_then(|date| i64::try_from(date.unix_timestamp_nanos()).ok()).unwrap_or(0)
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}

/// Reads a configuration whose bytes are verified or about to be named by their digest.
pub(crate) fn parse(id: &Digest, bytes: &[u8]) -> Result<ImageConfig, ImageError> {
    serde_json::from_slice(bytes).map_err(|source| ImageError::Config { id: id.clone(), source })
}

/// Writes a new configuration; its digest is the image's id.
pub(crate) fn encode(config: &ImageConfig) -> (Digest, Vec<u8>) {
    let bytes = serde_json::to_vec(config).expect("a configuration has only string keys");
    (sha256(&bytes), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date_ns(Some("1970-01-01T00:00:01.5Z")), 1_500_000_000);
        assert_eq!(date_ns(Some("0001-01-01T00:00:00Z")), 0);
        assert_eq!(date_ns(Some("yesterday")), 0);
        assert!(date_ns(Some(&now_rfc3339())) > 1_700_000_000_000_000_000);
    }
}
