//! Durations as Docker words them (go-units `HumanDuration`).

/// Words for a duration in nanoseconds; a negative one counts as none.
#[must_use]
pub fn duration(nanos: i64) -> String {
    let seconds = nanos.max(0) / 1_000_000_000;
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / (24 * 365 * 3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let of = |seconds: i64| duration(seconds * 1_000_000_000);
        assert_eq!(duration(500), "Less than a second");
        assert_eq!(of(1), "1 second");
        assert_eq!(of(59), "59 seconds");
        assert_eq!(of(60), "About a minute");
        assert_eq!(of(119), "About a minute");
        assert_eq!(of(120), "2 minutes");
        assert_eq!(of(3600), "About an hour");
        assert_eq!(of(3 * 3600), "3 hours");
        assert_eq!(of(3 * 24 * 3600), "3 days");
        assert_eq!(of(21 * 24 * 3600), "3 weeks");
        assert_eq!(of(-5), "Less than a second");
    }
}
