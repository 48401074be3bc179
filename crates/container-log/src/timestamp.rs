//! Wall clock time as Go's `RFC3339Nano` writes it: UTC, trailing zeros of the fraction dropped.

use std::io::Write as _;

use rustix::time::{ClockId, clock_gettime};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// A point in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Since the Unix epoch.
    pub seconds: i64,
    /// Within the second.
    pub nanos: u32,
}

impl Timestamp {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Realtime);
        // The kernel keeps nanoseconds below 10^9.
        Self { seconds: time.tv_sec, nanos: u32::try_from(time.tv_nsec).unwrap_or(0) }
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub fn unix_nanos(self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(self.nanos))
    }

    /// The point so many nanoseconds after the Unix epoch.
    #[must_use]
    pub fn from_unix_nanos(nanos: i64) -> Self {
        let rest = nanos.rem_euclid(NANOS_PER_SECOND);
        Self {
            seconds: nanos.div_euclid(NANOS_PER_SECOND),
            nanos: u32::try_from(rest).expect("a remainder of 10^9 fits"),
        }
    }

    /// Appends the text with the fraction as short as it can be.
    pub fn write_to(self, out: &mut Vec<u8>) {
        self.write_fixed(out);
        out.pop();
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
        out.push(b'Z');
    }

    /// Appends the text with nine digits of a second, so that columns align.
    pub fn write_fixed(self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let written = write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:09}Z",
            second % 60,
            self.nanos
        );
        written.expect("a vector takes every write");
    }

    /// Reads RFC 3339; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if bytes.len() < 20 || marks.iter().any(|(at, mark)| bytes[*at] != *mark) {
            return None;
        }
        let field = |range: std::ops::Range<usize>| number(&bytes[range]);
        let days = days_from_civil(field(0..4)?, field(5..7)?, field(8..10)?);
        let clock = field(11..13)? * 3600 + field(14..16)? * 60 + field(17..19)?;
        let (nanos, zone) = split_fraction(&bytes[19..])?;
        Some(Self { seconds: days * SECONDS_PER_DAY + clock - offset_seconds(zone)?, nanos })
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
    })
}

/// The fraction in nanoseconds, and what follows it.
fn split_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    let digits = &rest[..end.min(9)];
    let scale = 10u32.pow(9 - u32::try_from(digits.len()).expect("at most nine"));
    Some((u32::try_from(number(digits)?).ok()? * scale, &rest[end..]))
}

fn offset_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let seconds = number(&[*h1, *h2])? * 3600 + number(&[*m1, *m2])? * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// The reverse of [`civil`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - EPOCH_DAYS
}

/// Year, month and day of a day number since 1970-01-01 in the proleptic Gregorian calendar,
/// counting years from March so that the leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + EPOCH_DAYS;
    let (era, day_of_era) = (shifted.div_euclid(DAYS_PER_ERA), shifted.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: i64, nanos: u32) -> String {
        let mut out = Vec::new();
        Timestamp { seconds, nanos }.write_to(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_what_go_writes() {
        assert_eq!(text(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(text(951_782_400, 1), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(text(1_795_458_282, 123_456_789), "2026-11-23T18:24:42.123456789Z");
        assert_eq!(text(1_795_458_282, 120_000_000), "2026-11-23T18:24:42.12Z");
        assert_eq!(text(4_102_444_799, 999_999_999), "2099-12-31T23:59:59.999999999Z");
        assert_eq!(text(-1, 0), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn reads_back_what_it_writes_and_other_zones() {
        for (seconds, nanos) in [(0, 0), (951_782_400, 1), (1_795_458_282, 120_000_000), (-1, 5)] {
            let time = Timestamp { seconds, nanos };
            assert_eq!(Timestamp::parse(&text(seconds, nanos)), Some(time));
            assert_eq!(Timestamp::from_unix_nanos(time.unix_nanos()), time);
        }
        let parse = |text| Timestamp::parse(text).map(|t| t.seconds);
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse("1970-01-01T00:00:00.5-00:30"), Some(1800));
        for bad in ["", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:0xZ"] {
            assert_eq!(parse(bad), None);
        }
    }
}
