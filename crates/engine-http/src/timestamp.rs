//! Points in time as clients write them: `SECONDS[.FRACTION]` since 1970.

use std::{fmt, str::FromStr};

/// Seconds and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// 0 to 999 999 999, towards the future.
    pub nanoseconds: u32,
}

/// The text is not a timestamp.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid timestamp {0:?}")]
pub struct TimestampError(String);

const MAX_FRACTION_DIGITS: usize = 20;

impl Timestamp {
    /// All nanoseconds since 1970.
    #[must_use]
    pub fn total_nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// The same point in the system's clock, or `None` if that cannot hold it.
    #[must_use]
    pub fn to_system_time(self) -> Option<std::time::SystemTime> {
        let epoch = std::time::UNIX_EPOCH;
        let whole = std::time::Duration::from_secs(self.seconds.unsigned_abs());
        let base =
            if self.seconds < 0 { epoch.checked_sub(whole) } else { epoch.checked_add(whole) };
        base?.checked_add(std::time::Duration::from_nanos(u64::from(self.nanoseconds)))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let bad = || TimestampError(text.to_owned());
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = fraction.bytes().all(|b| b.is_ascii_digit());
        if !is_digits || fraction.len() > MAX_FRACTION_DIGITS {
            return Err(bad());
        }
        let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        Ok(Self {
            seconds: seconds.parse().map_err(|_| bad())?,
            nanoseconds: nine.parse().map_err(|_| bad())?,
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_padded_and_cut() {
        let parse = |text: &str| text.parse::<Timestamp>().map(|t| (t.seconds, t.nanoseconds)).ok();
        assert_eq!(parse("12"), Some((12, 0)));
        assert_eq!(parse("12."), Some((12, 0)));
        assert_eq!(parse("12.5"), Some((12, 500_000_000)));
        assert_eq!(parse("12.123456789123"), Some((12, 123_456_789)));
        assert_eq!(parse("-1.000000001"), Some((-1, 1)));
        for bad in ["", "x", "1.x", "1.-5", "1.2.3", "2024-01-01", "1.000000000000000000000"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
