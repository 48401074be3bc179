//! Durations as Go prints them, which is how they appear in results and messages.

use std::time::Duration;

/// `50ms`, `1.5s`, `1m30s`, `1h0m0s`.
#[must_use]
pub fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => fraction(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => fraction(nanos, 1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = fraction(rest, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

fn fraction(nanos: u128, unit: u128, name: &str) -> String {
    let (whole, rest) = (nanos / unit, nanos % unit);
    if rest == 0 {
        return format!("{whole}{name}");
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}{name}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_prints_them() {
        let text = |nanos: u64| go_duration(Duration::from_nanos(nanos));
        assert_eq!(text(0), "0s");
        assert_eq!(text(7), "7ns");
        assert_eq!(text(1_500), "1.5µs");
        assert_eq!(text(1_000_000), "1ms");
        assert_eq!(text(50_000_000), "50ms");
        assert_eq!(text(1_050_000_000), "1.05s");
        assert_eq!(text(90_000_000_000), "1m30s");
        assert_eq!(text(3_600_000_000_000), "1h0m0s");
    }
}
