//! Signal names and numbers.

use crate::ContainerError;

const NAMES: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];
/// Of Linux on every architecture that Gantry runs on.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;
/// What `stop` sends unless the image or the caller says otherwise.
pub const DEFAULT_STOP: i32 = 15;
/// Cannot be caught.
pub const KILL: i32 = 9;

/// Parses `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`.
///
/// # Errors
/// [`ContainerError::Invalid`] with Docker's text.
pub fn parse(text: &str) -> Result<i32, ContainerError> {
    let invalid = || ContainerError::Invalid(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=RTMAX).contains(&number) { Ok(number) } else { Err(invalid()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => Some(RTMIN),
        (_, Some("")) => Some(RTMAX),
        (Some(rest), _) => {
            rest.strip_prefix('+').and_then(|n| n.parse().ok()).map(|n: i32| RTMIN + n)
        }
        (_, Some(rest)) => {
            rest.strip_prefix('-').and_then(|n| n.parse().ok()).map(|n: i32| RTMAX - n)
        }
        _ => None,
    };
    number.filter(|n| (RTMIN..=RTMAX).contains(n)).ok_or_else(invalid)
}

/// [`parse`], with the empty text as SIGTERM.
///
/// # Errors
/// As [`parse`].
pub fn parse_or_default(text: &str) -> Result<i32, ContainerError> {
    if text.is_empty() { Ok(DEFAULT_STOP) } else { parse(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("RTMIN+3", 37),
            ("RTMAX-1", 63),
        ] {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
        for bad in ["", "0", "65", "-1", "NOSUCH", "RTMIN+40", "RTMAX+1"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
