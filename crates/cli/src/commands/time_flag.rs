//! `--since` and `--until`: a Unix time, an RFC 3339 time or date, or a duration before now.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::grammar::parse_duration;

/// The value as the API takes it: `SECONDS[.NANOSECONDS]`; empty stays empty.
///
/// # Errors
/// For a text that is none of the forms.
pub fn timestamp(text: &str) -> anyhow::Result<String> {
    if text.is_empty() || text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Ok(text.to_owned());
    }
    if let Ok(nanoseconds) = parse_duration(text) {
        let then = OffsetDateTime::now_utc() - time::Duration::nanoseconds(nanoseconds);
        return Ok(shown(then));
    }
    let candidates = [
        text.to_owned(),
        format!("{text}Z"),
        format!("{text}:00Z"),
        format!("{text}:00:00Z"),
        format!("{text}T00:00:00Z"),
        format!("{}T00:00:00Z", text.trim_end_matches('Z')),
    ];
    let parsed = candidates.iter().find_map(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    match parsed {
        Some(time) => Ok(shown(time)),
        None => anyhow::bail!("failed to parse value as time or duration: {text:?}"),
    }
}

fn shown(time: OffsetDateTime) -> String {
    format!("{}.{:09}", time.unix_timestamp(), time.nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms() {
        assert_eq!(timestamp("1136073600.5").unwrap(), "1136073600.5");
        for text in ["2006-01-02T15:04:05Z", "2006-01-02T15:04:05", "2006-01-02T16:04:05+01:00"] {
            assert_eq!(timestamp(text).unwrap(), "1136214245.000000000", "{text}");
        }
        assert_eq!(timestamp("2006-01-02").unwrap(), "1136160000.000000000");
        assert!(timestamp("10m").unwrap().contains('.'));
        assert!(timestamp("soon").is_err());
    }
}
