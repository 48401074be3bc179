//! Sizes (`64m`, `1.5GiB`) and decimals (`--cpus`).

/// Reads a size whose units are powers of 1024.
///
/// # Errors
/// `invalid size: 'TEXT'`.
pub fn parse_memory(text: &str) -> Result<i64, String> {
    read(text).ok_or_else(|| format!("invalid size: '{text}'"))
}

fn read(text: &str) -> Option<i64> {
    let at = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (number, unit) = text.split_at(at);
    let number: f64 = number.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let mut letters = unit.chars();
    let power = match letters.next() {
        None => 0,
        Some('b') if unit.len() == 1 => 0,
        Some(letter) => {
            let power = "kmgtp".find(letter)? + 1;
            if !matches!(letters.as_str(), "" | "b" | "ib") {
                return None;
            }
            power
        }
    };
    let bytes = number * 1024f64.powi(i32::try_from(power).ok()?);
    (bytes < i64::MAX as f64).then_some(bytes as i64)
}

/// Reads a decimal as billionths.
///
/// # Errors
/// In docker's words.
pub fn parse_decimal(text: &str) -> Result<i64, String> {
    let bad = || format!("failed to parse {text} as a rational number");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return Err(bad());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err("value is too precise".to_owned());
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
    let parts: i64 = format!("{fraction:0<9}").parse().map_err(|_| bad())?;
    whole
        .checked_mul(1_000_000_000)
        .and_then(|n| n.checked_add(parts))
        .map(|n| sign * n)
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32k", 32 << 10),
            ("32KiB", 32 << 10),
            ("1.5g", 3 << 29),
            ("2 MB", 2 << 20),
            ("1P", 1 << 50),
        ] {
            assert_eq!(parse_memory(text), Ok(bytes), "{text}");
        }
        for text in ["", "x", "-1", "1x", "1kk", "k", "1 k b", "inf"] {
            assert_eq!(parse_memory(text), Err(format!("invalid size: '{text}'")));
        }
    }

    #[test]
    fn decimals() {
        assert_eq!(parse_decimal("1.5"), Ok(1_500_000_000));
        assert_eq!(parse_decimal(".25"), Ok(250_000_000));
        assert_eq!(parse_decimal("0.0000000001"), Err("value is too precise".into()));
        assert!(parse_decimal("x").is_err());
    }
}
