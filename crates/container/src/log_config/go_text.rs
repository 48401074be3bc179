//! Numbers, sizes and durations as Docker reads them from options, with Go's words for mistakes.

use std::time::Duration;

/// `strconv.ParseBool`.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// `strconv.Atoi`.
pub(super) fn parse_int(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
}

/// What a suffix multiplies by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    /// `k` is 1000.
    Decimal,
    /// `k` is 1024.
    Binary,
}

/// `10m`, `1.5g`, `500kB`, `1024`.
pub(super) fn parse_size(text: &str, unit: Unit) -> Result<i64, String> {
    let Some(last) = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ') else {
        return Err(format!("invalid size: '{text}'"));
    };
    let (number, suffix) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let size: f64 = number.parse().map_err(|_| format!("invalid size: '{text}'"))?;
    if size < 0.0 || !size.is_finite() {
        return Err(format!("invalid size: '{text}'"));
    }
    let base: f64 = match unit {
        Unit::Decimal => 1000.0,
        Unit::Binary => 1024.0,
    };
    let power = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    Ok((size * base.powi(power)) as i64)
}

/// `time.ParseDuration`, for what is not negative.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| format!("time: missing unit in duration {text:?}"))?;
        let number: f64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let factor = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            unit => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        seconds += number * factor;
        rest = &rest[end..];
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !text.is_empty() => Ok(duration),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("10m", Unit::Decimal), Ok(10_000_000));
        assert_eq!(parse_size("10m", Unit::Binary), Ok(10 << 20));
        assert_eq!(parse_size("1.5 kB", Unit::Decimal), Ok(1500));
        assert_eq!(parse_size("x", Unit::Decimal), Err("invalid size: 'x'".into()));
        assert_eq!(parse_size("5q", Unit::Decimal), Err("invalid suffix: 'q'".into()));
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1m1.5s"), Ok(Duration::from_millis(61_500)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(parse_duration("").is_err());
        assert!(parse_duration("5").is_err());
        assert!(parse_duration("-5s").is_err());
        assert!(parse_duration("5x").unwrap_err().contains("unknown unit"));
    }
}
