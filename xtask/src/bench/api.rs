//! The least of an HTTP client that measures an engine's own time without a command line.
//!
//! One connection per request, HTTP/1.0, so that the body ends with the connection.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};

const LIMIT: u64 = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks for a document.
///
/// # Errors
/// The engine cannot be reached, or answers with an error.
pub fn get(socket: &Path, path: &str) -> Result<String> {
    request(socket, "GET", path, "")
}

/// Sends a document.
///
/// # Errors
/// As [`get`].
pub fn post(socket: &Path, path: &str, body: &str) -> Result<String> {
    request(socket, "POST", path, body)
}

/// Removes something.
///
/// # Errors
/// As [`get`].
pub fn delete(socket: &Path, path: &str) -> Result<String> {
    request(socket, "DELETE", path, "")
}

fn request(socket: &Path, method: &str, path: &str, body: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("connect {socket:?}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: bench\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LIMIT).read_to_end(&mut answer).with_context(|| format!("{method} {path}"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
    match status {
        Some(200..=399) => Ok(body.to_owned()),
        _ => bail!("{method} {path}: {head}: {body}"),
    }
}
