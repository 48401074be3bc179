//! Docker's `json-file` format: one JSON object per message.
//!
//! ```text
//! {"log":"text\n","stream":"stdout","attrs":{"k":"v"},"time":"2026-11-23T18:24:42.123456789Z"}
//! ```
//! `attrs` is left out when empty; `log` ends in `\n` only when the line is complete.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use crate::{LogRecord, Message, StreamKind, Timestamp, escape};

/// Attributes as they stand in every record: `,"attrs":{…}`, or nothing.
#[must_use]
pub fn encode_attributes(attributes: &BTreeMap<String, String>) -> Box<[u8]> {
    if attributes.is_empty() {
        return Box::default();
    }
    let mut out = b",\"attrs\":{".to_vec();
    for (index, (key, value)) in attributes.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        escape(&mut out, key.as_bytes());
        out.extend_from_slice(b"\":\"");
        escape(&mut out, value.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
    out.into()
}

/// Appends everything of a record that follows the text.
pub fn encode_suffix(out: &mut Vec<u8>, stream: StreamKind, attributes: &[u8], time: Timestamp) {
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(stream.name().as_bytes());
    out.push(b'"');
    out.extend_from_slice(attributes);
    out.extend_from_slice(b",\"time\":\"");
    time.write_to(out);
    out.extend_from_slice(b"\"}\n");
}

/// Appends a record whose suffix is ready.
pub fn encode(out: &mut Vec<u8>, message: &Message<'_>, suffix: &[u8]) {
    out.extend_from_slice(b"{\"log\":\"");
    escape(out, message.text);
    out.extend_from_slice(if message.is_complete() { b"\\n" } else { b"" });
    out.extend_from_slice(suffix);
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

/// Reads one line; `None` for damage.
#[must_use]
pub fn decode(line: &[u8]) -> Option<LogRecord> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let stream = if line.stream == "stderr" { StreamKind::Stderr } else { StreamKind::Stdout };
    Some(LogRecord {
        log: line.log.into_owned().into_bytes(),
        stream,
        time: Timestamp::parse(&line.time).unwrap_or_default(),
        attrs: line.attrs,
    })
}
