//! The Engine API without a client program: one request, one connection.
//!
//! For tests that ask often: a command line client takes longer to start than the engine to
//! answer. HTTP/1.0, so that answers come unchunked and end with the connection.

use std::{
    fmt,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

use crate::client::COMMAND_PATIENCE;

/// What the engine said.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request, for messages.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// The document or stream.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.request, self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// The body as a document; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as one document per line.
    #[must_use]
    pub fn json_lines(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Whether the engine did what was asked, or found it done (304).
    #[must_use]
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status) || self.status == 304
    }
}

/// Sends a request to an engine's socket and reads the whole answer.
///
/// # Errors
/// When the engine is not there, or ends before it has answered in full.
pub fn request(socket: &Path, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    send(socket, (method, path), "application/json", &body)
}

/// As [`request`] with a body that is no document; `what` is method and path.
///
/// # Errors
/// As [`request`].
pub fn send(socket: &Path, what: (&str, &str), kind: &str, body: &[u8]) -> io::Result<Answer> {
    let (method, path) = what;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(COMMAND_PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes, format!("{method} {path}"))
}

fn parse(bytes: &[u8], request: String) -> io::Result<Answer> {
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut off");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.get(..3)?.parse().ok());
    let body = bytes[end + 4..].to_vec();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: Option<usize> = length.and_then(|text| text.trim().parse().ok());
    if length.is_some_and(|length| body.len() < length) {
        return Err(cut());
    }
    Ok(Answer { request, status: status.ok_or_else(cut)?, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_answers_are_told_from_cut_ones() {
        let parse = |text: &str| parse(text.as_bytes(), String::new());
        let whole = parse("HTTP/1.0 201 Created\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!((whole.status, whole.json()), (201, serde_json::json!({})));
        assert!(parse("HTTP/1.0 201 Created\r\nContent-Length: 2\r\n\r\n{").is_err());
        assert!(parse("HTTP/1.0 201 Cre").is_err());
        let empty = parse("HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        assert!(empty.is_done() && empty.json().is_null());
    }
}
