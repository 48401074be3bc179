//! Wall-clock time as the engine stores and shows it.

use std::time::{SystemTime, UNIX_EPOCH};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What the API shows for a time that never was: Go's zero time.
pub const ZERO: &str = "0001-01-01T00:00:00Z";

/// Nanoseconds since the Unix epoch.
#[must_use]
pub fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// RFC 3339 with nanoseconds, in UTC, as Go prints it (no trailing zeros in the fraction).
#[must_use]
pub fn rfc3339(nanos: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos))
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| ZERO.to_owned())
}

/// [`rfc3339`], or [`ZERO`] for none.
#[must_use]
pub fn rfc3339_or_zero(nanos: Option<i64>) -> String {
    nanos.map_or_else(|| ZERO.to_owned(), rfc3339)
}

/// Parses RFC 3339 to nanoseconds since the Unix epoch.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_prints_it() {
        assert_eq!(rfc3339(1_700_000_000_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339(1_700_000_000_120_000_000), "2023-11-14T22:13:20.12Z");
        assert_eq!(parse_rfc3339("2023-11-14T22:13:20.12Z"), Some(1_700_000_000_120_000_000));
        assert_eq!(rfc3339_or_zero(None), ZERO);
    }
}
