//! Signals as clients write them: `9`, `KILL`, `SIGKILL`, `sigrtmin+3`.

use std::{fmt, str::FromStr};

use crate::{Classify, ErrorKind};

/// A signal number, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(i32);

/// The text names no signal of Linux.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid signal: {0}")]
pub struct SignalError(String);

impl Classify for SignalError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }
}

const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// Names by number, from 1; the numbers are those of x86 and ARM.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl Signal {
    /// `SIGKILL`.
    pub const KILL: Self = Self(9);
    /// `SIGTERM`.
    pub const TERM: Self = Self(15);

    /// The number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

fn by_name(name: &str) -> Option<i32> {
    let alias = match name {
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        "POLL" => "IO",
        "UNUSED" => "SYS",
        other => other,
    };
    if let Some(index) = NAMES.iter().position(|known| *known == alias) {
        return i32::try_from(index).ok().map(|index| index + 1);
    }
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return offset(rest, '+').map(|n| RTMIN + n);
    }
    offset(name.strip_prefix("RTMAX")?, '-').map(|n| RTMAX - n)
}

fn offset(rest: &str, sign: char) -> Option<i32> {
    if rest.is_empty() {
        return Some(0);
    }
    rest.strip_prefix(sign)?.parse().ok().filter(|n| (1..=RTMAX - RTMIN).contains(n))
}

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let upper = text.to_ascii_uppercase();
        let number = match text.parse::<i32>() {
            Ok(number) => Some(number),
            Err(_) => by_name(upper.strip_prefix("SIG").unwrap_or(&upper)),
        };
        match number {
            Some(number) if (1..=RTMAX).contains(&number) => Ok(Self(number)),
            _ => Err(SignalError(text.to_owned())),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_real_time_signals() {
        let number = |text: &str| text.parse::<Signal>().map(Signal::number).ok();
        for (text, want) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("SIGIOT", 6),
            ("WINCH", 28),
            ("SYS", 31),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("RTMAX", 64),
        ] {
            assert_eq!(number(text), Some(want), "{text}");
        }
        for bad in ["", "0", "-1", "65", "SIG", "SIGNOPE", "RTMIN+31", "RTMIN-1", "RTMAX+1"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
