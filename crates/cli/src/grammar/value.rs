//! The kinds of flag values and how one is read from text.

use super::{
    check,
    duration::parse_duration,
    size::{parse_decimal, parse_memory},
};

/// What a flag's value is; names and rules are those of the flag table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the table's own")]
pub enum Kind {
    Bool,
    Int,
    Int64,
    Uint16,
    Uint64,
    Bytes,
    Decimal,
    Duration,
    Text,
    List,
    TextSlice,
    Map,
    TextMap,
    Filter,
    Ulimit,
    Mount,
    Network,
    Gpus,
    Ip,
    IpSlice,
    IpNetSlice,
}

/// A value that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A switch.
    Bool(bool),
    /// A number; bytes, nanoseconds and billionths of a CPU too.
    Int(i64),
    /// A text.
    Text(String),
    /// All the values given, in order.
    List(Vec<String>),
}

const KINDS: [(&str, Kind, &str); 21] = [
    ("bool", Kind::Bool, ""),
    ("int", Kind::Int, "int"),
    ("int64", Kind::Int64, "int"),
    ("uint16", Kind::Uint16, "uint16"),
    ("uint64", Kind::Uint64, "uint"),
    ("bytes", Kind::Bytes, "bytes"),
    ("decimal", Kind::Decimal, "decimal"),
    ("duration", Kind::Duration, "duration"),
    ("string", Kind::Text, "string"),
    ("list", Kind::List, "list"),
    ("stringSlice", Kind::TextSlice, "strings"),
    ("map", Kind::Map, "map"),
    ("stringToString", Kind::TextMap, "stringToString"),
    ("filter", Kind::Filter, "filter"),
    ("ulimit", Kind::Ulimit, "ulimit"),
    ("mount", Kind::Mount, "mount"),
    ("network", Kind::Network, "network"),
    ("gpu-request", Kind::Gpus, "gpu-request"),
    ("ip", Kind::Ip, "ip"),
    ("ipSlice", Kind::IpSlice, "ipSlice"),
    ("ipNetSlice", Kind::IpNetSlice, "ipNetSlice"),
];

impl Kind {
    /// The kind of that name in the table.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|(own, ..)| *own == name).map(|(_, kind, _)| *kind)
    }

    /// The word that help shows for a value of this kind.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map_or("", |(.., word)| word)
    }

    fn is_list(self) -> bool {
        matches!(
            self,
            Self::List
                | Self::TextSlice
                | Self::Map
                | Self::TextMap
                | Self::Filter
                | Self::Ulimit
                | Self::Mount
                | Self::Network
                | Self::Gpus
                | Self::IpSlice
                | Self::IpNetSlice
        )
    }

    /// Reads `text`, adding to `before` where the kind gathers values.
    ///
    /// # Errors
    /// The reason, in pflag's and docker's words.
    pub(super) fn read(
        self,
        flag: &str,
        text: &str,
        before: Option<Value>,
    ) -> Result<Value, String> {
        if self.is_list() {
            let mut values = match before {
                Some(Value::List(values)) => values,
                _ => Vec::new(),
            };
            self.read_item(flag, text, &mut values)?;
            return Ok(Value::List(values));
        }
        match self {
            Self::Bool => parse_bool(text).map(Value::Bool),
            Self::Int | Self::Int64 => parse_int(text).map(Value::Int),
            Self::Uint16 => parse_uint(text, u64::from(u16::MAX)).map(Value::Int),
            Self::Uint64 => parse_uint(text, i64::MAX as u64).map(Value::Int),
            Self::Bytes if flag == "memory-swap" && text == "-1" => Ok(Value::Int(-1)),
            Self::Bytes => parse_memory(text).map(Value::Int),
            Self::Decimal => parse_decimal(text).map(Value::Int),
            Self::Duration => parse_duration(text).map(Value::Int),
            _ => Ok(Value::Text(text.to_owned())),
        }
    }

    fn read_item(self, flag: &str, text: &str, values: &mut Vec<String>) -> Result<(), String> {
        match self {
            Self::TextSlice | Self::TextMap | Self::IpSlice | Self::IpNetSlice => {
                values.extend(text.split(',').filter(|t| !t.is_empty()).map(Into::into));
                Ok(())
            }
            Self::Filter if text.is_empty() => Ok(()),
            Self::Filter => {
                let (name, value) = text
                    .split_once('=')
                    .ok_or("bad format of filter (expected name=value)".to_owned())?;
                values.push(format!("{}={}", name.trim().to_lowercase(), value.trim()));
                Ok(())
            }
            _ => {
                values.push(check::item(self, flag, text)?);
                Ok(())
            }
        }
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// Go's integers with base 0: `0x`, `0o`, `0b` and a leading `0` are understood.
fn radix_of(digits: &str) -> (u32, &str) {
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    }
}

fn number_error(function: &str, text: &str, error: &std::num::ParseIntError) -> String {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    let reason = match error.kind() {
        PosOverflow | NegOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.{function}: parsing {text:?}: {reason}")
}

pub(super) fn parse_int(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = radix_of(digits);
    // A second sign would be accepted by the standard library.
    let digits = if digits.starts_with(['+', '-']) { "x" } else { digits };
    i64::from_str_radix(&format!("{sign}{digits}"), radix)
        .map_err(|e| number_error("ParseInt", text, &e))
}

fn parse_uint(text: &str, most: u64) -> Result<i64, String> {
    let (radix, digits) = radix_of(text);
    let digits = if digits.starts_with(['+', '-']) { "x" } else { digits };
    let number =
        u64::from_str_radix(digits, radix).map_err(|e| number_error("ParseUint", text, &e))?;
    match i64::try_from(number) {
        Ok(small) if number <= most => Ok(small),
        _ => Err(format!("strconv.ParseUint: parsing {text:?}: value out of range")),
    }
}
