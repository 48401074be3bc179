//! Query parameters.

use std::fmt::Write;

use axum::extract::Query;
use http::{HeaderValue, Uri};

use crate::answer::{self, Code, Failure};

/// The parameters of one request; of a repeated one the first counts.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Failure> {
        Query::try_from_uri(uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| Failure::new(Code::UploadInvalid, "malformed query"))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `n`, at most `max`, which is also what no `n` means.
    pub(crate) fn limit(&self, max: u32) -> Result<u32, Failure> {
        match self.get("n") {
            None => Ok(max),
            Some(text) => text
                .parse::<u64>()
                .map(|n| u32::try_from(n).unwrap_or(max).min(max))
                .map_err(|_| Failure::new(Code::PageInvalid, "n is not a number")),
        }
    }
}

/// Writes the `Link` to the next page; `pairs` are encoded here.
pub(crate) fn next_link(path: &str, pairs: &[(&str, &str)]) -> HeaderValue {
    let mut query = String::new();
    for (name, text) in pairs {
        let separator = if query.is_empty() { '?' } else { '&' };
        query.push(separator);
        query.push_str(name);
        query.push('=');
        encode(&mut query, text);
    }
    answer::value(format!("<{path}{query}>; rel=\"next\""))
}

fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            write!(into, "%{byte:02X}").expect("a String takes every write");
        }
    }
}
