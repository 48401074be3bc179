//! Wall clock time as Go's `RFC3339Nano` writes it: UTC, trailing zeros of the fraction dropped.

use std::io::Write as _;

use rustix::time::{ClockId, clock_gettime};

const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    /// Appends the text.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let (year, month, day) = civil(self.seconds.div_euclid(SECONDS_PER_DAY));
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let written = write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:09}",
            second % 60,
            self.nanos
        );
        written.expect("a vector takes every write");
        while out.last() == Some(&b'0') {
            out.pop();
        }
        if out.last() == Some(&b'.') {
            out.pop();
        }
        out.push(b'Z');
    }
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
}
