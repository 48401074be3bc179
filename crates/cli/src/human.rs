//! Durations and sizes as people read them, in docker's words.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::timezone::Zone;

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

/// The time in the local zone, the offset in seconds and the zone's name.
fn local(timestamp: i64) -> Option<(time::OffsetDateTime, i32, String)> {
    static ZONE: std::sync::OnceLock<Zone> = std::sync::OnceLock::new();
    let offset = ZONE.get_or_init(Zone::local).at(timestamp);
    let shifted = timestamp.checked_add(i64::from(offset.seconds))?;
    let time = time::OffsetDateTime::from_unix_timestamp(shifted).ok()?;
    Some((time, offset.seconds, offset.name))
}

fn signed(seconds: i32, separator: &str) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

fn date_and_time(time: time::OffsetDateTime, between: char) -> String {
    format!(
        "{:04}-{:02}-{:02}{between}{:02}:{:02}:{:02}",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `2026-11-23 20:00:00 +0100 CET`, in the local zone.
#[must_use]
pub fn local_time(timestamp: i64) -> String {
    local(timestamp).map_or_else(String::new, |(time, offset, name)| {
        format!("{} {} {name}", date_and_time(time, ' '), signed(offset, ""))
    })
}

fn iso_offset(seconds: i32) -> String {
    if seconds == 0 { "Z".to_owned() } else { signed(seconds, ":") }
}

/// `2026-11-23T20:00:00+01:00`, in the local zone.
#[must_use]
pub fn local_rfc3339(timestamp: i64) -> String {
    local(timestamp).map_or_else(String::new, |(time, offset, _)| {
        format!("{}{}", date_and_time(time, 'T'), iso_offset(offset))
    })
}

/// `2026-11-23T20:00:00.000000001+01:00`: always nine digits, in the local zone.
#[must_use]
pub fn local_rfc3339_nanoseconds(nanoseconds: i64) -> String {
    let (seconds, rest) =
        (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    local(seconds).map_or_else(String::new, |(time, offset, _)| {
        format!("{}.{rest:09}{}", date_and_time(time, 'T'), iso_offset(offset))
    })
}

/// Seconds since 1970 of an RFC 3339 time.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format).ok().map(time::OffsetDateTime::unix_timestamp)
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
