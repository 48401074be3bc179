//! Durations and sizes as people read them, in docker's words.

use std::time::{SystemTime, UNIX_EPOCH};

/// `About a minute`, `2 hours`, ...
#[must_use]
pub fn duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds as f64 / 3600.0).round() as i64);
    let days = hours / 24;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{days} days"),
        () if hours < 24 * 30 * 2 => format!("{} weeks", days / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", days / 30),
        () => format!("{} years", seconds / (3600 * 24 * 365)),
    }
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// `2 hours ago`; nothing for a time that was never.
#[must_use]
pub fn ago(timestamp: i64) -> String {
    if timestamp <= 0 { String::new() } else { format!("{} ago", duration(now() - timestamp)) }
}

fn scaled(size: f64, base: f64, units: &[&str]) -> (f64, usize) {
    let (mut size, mut unit) = (size, 0);
    while size >= base && unit < units.len() - 1 {
        size /= base;
        unit += 1;
    }
    (size, unit)
}

/// Go's `%.NNNg`.
fn significant(number: f64, digits: usize) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    // After rounding: 999.9 with three digits is 1e+03.
    let rounded = format!("{:.*e}", digits - 1, number);
    let exponent: i32 = rounded.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let digits_left = i32::try_from(digits).unwrap_or(4) - 1 - exponent;
    if digits_left < 0 {
        // More whole digits than are wanted: Go changes to an exponent.
        let mantissa = format!("{:.*}", digits - 1, number / 10f64.powi(exponent));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        return format!("{mantissa}e+{exponent:02}");
    }
    let text = format!("{number:.*}", usize::try_from(digits_left).unwrap_or(0));
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

const DECIMAL: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/// `1.09GB`: powers of 1000, three digits.
#[must_use]
pub fn size(bytes: i64) -> String {
    size_with(bytes as f64, 3)
}

/// Powers of 1000 with so many digits.
#[must_use]
pub fn size_with(bytes: f64, digits: usize) -> String {
    let (number, unit) = scaled(bytes, 1000.0, &DECIMAL);
    format!("{}{}", significant(number, digits), DECIMAL[unit])
}

/// `1.5GiB`: powers of 1024, four digits.
#[must_use]
pub fn binary_size(bytes: f64) -> String {
    let (number, unit) = scaled(bytes, 1024.0, &BINARY);
    format!("{}{}", significant(number, 4), BINARY[unit])
}

/// `2026-11-23 19:00:00 +0000 UTC`. The zone is UTC: reading the local one needs the C library.
#[must_use]
pub fn local_time(timestamp: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp(timestamp) {
        Ok(t) => format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02} +0000 UTC",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        ),
        Err(_) => String::new(),
    }
}

/// `2026-11-23T19:00:00Z`.
#[must_use]
pub fn rfc3339(timestamp: i64) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::from_unix_timestamp(timestamp)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

/// `2026-11-23T19:00:00.000000001Z`: always nine digits.
#[must_use]
pub fn rfc3339_nanoseconds(nanoseconds: i64) -> String {
    let (seconds, rest) =
        (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    let whole = rfc3339(seconds);
    format!("{}.{rest:09}Z", whole.trim_end_matches('Z'))
}

/// Cuts `text` to `most` characters, the last of them an ellipsis.
#[must_use]
pub fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept + "…"
}

/// The first twelve characters of an id, without the algorithm.
#[must_use]
pub fn short_id(id: &str) -> String {
    let bare = id.split_once(':').map_or(id, |(_, hex)| hex);
    bare.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86400, "2 weeks"),
            (61 * 86400, "2 months"),
            (800 * 86400, "2 years"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (4_270_000, "4.27MB"),
            (1_093_484_000, "1.09GB"),
            (77_800_000, "77.8MB"),
            (999_900, "1e+03kB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(binary_size(1_610_612_736.0), "1.5GiB");
        assert_eq!(binary_size(0.0), "0B");
        assert_eq!(ellipsis("abcdef", 4), "abc…");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
    }
}
