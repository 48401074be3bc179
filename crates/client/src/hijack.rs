//! Connections that stop being HTTP: attach and exec.
//!
//! The head is written and read by hand, because engines answer either `101` (they honoured
//! `Upgrade: tcp`) or `200` (they did not) and in both cases the connection is a raw stream from
//! the byte after the head.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{ClientError, transport::BoxStream};

const MAX_HEAD_LEN: usize = 64 * 1024;
const MAX_ERROR_LEN: u64 = 1024 * 1024;

/// A raw stream and what was read past the head.
pub struct Hijacked {
    stream: BoxStream,
    early: Bytes,
    /// Whether the engine says that the stream is multiplexed (`None`: it does not say).
    pub is_multiplexed: Option<bool>,
}

impl Hijacked {
    /// The reading and the writing half.
    #[must_use]
    pub fn split(
        self,
    ) -> (impl tokio::io::AsyncRead + Unpin + Send, tokio::io::WriteHalf<BoxStream>) {
        let (read, write) = tokio::io::split(self.stream);
        (AsyncReadExt::chain(io::Cursor::new(self.early), read), write)
    }
}

/// The engine's head.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// How an upgrade ended.
pub(crate) enum Outcome {
    /// The stream is raw now.
    Raw(Hijacked),
    /// The engine refused, with this body.
    Refused(Head, Vec<u8>),
}

/// Sends `head` and `body`, reads the answer's head.
pub(crate) async fn upgrade(
    mut stream: BoxStream,
    head: &str,
    body: &[u8],
) -> Result<Outcome, ClientError> {
    let failed = |e: io::Error| ClientError::transport("upgrading the connection", e);
    let message = [head.as_bytes(), body].concat();
    stream.write_all(&message).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let (head, early) = read_head(&mut stream).await.map_err(failed)?;
    if head.status == 101 || head.status == 200 {
        let is_multiplexed = match head.header("content-type") {
            Some("application/vnd.docker.multiplexed-stream") => Some(true),
            // Engines before 1.42 call both kinds raw.
            _ => None,
        };
        return Ok(Outcome::Raw(Hijacked { stream, early, is_multiplexed }));
    }
    let body = read_error(&mut stream, &head, early).await.map_err(failed)?;
    Ok(Outcome::Refused(head, body))
}

async fn read_head(stream: &mut BoxStream) -> io::Result<(Head, Bytes)> {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = buffer.split_to(at + 4);
            return Ok((parse_head(&text)?, buffer.freeze()));
        }
        if buffer.len() > MAX_HEAD_LEN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "response head is too long"));
        }
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "malformed response head");
    let text = std::str::from_utf8(bytes).map_err(|_| bad())?;
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .filter(|line| line.starts_with("HTTP/1."))
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(bad)?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    Ok(Head { status, headers })
}

async fn read_error(stream: &mut BoxStream, head: &Head, early: Bytes) -> io::Result<Vec<u8>> {
    let mut body = early.to_vec();
    if head.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        return read_chunks(stream, BytesMut::from(&body[..])).await;
    }
    let length = head.header("content-length").and_then(|v| v.parse::<u64>().ok());
    let left = length.unwrap_or(MAX_ERROR_LEN).min(MAX_ERROR_LEN).saturating_sub(body.len() as u64);
    stream.take(left).read_to_end(&mut body).await?;
    Ok(body)
}

async fn read_chunks(stream: &mut BoxStream, mut buffer: BytesMut) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        while let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") {
            let size = std::str::from_utf8(&buffer[..end])
                .ok()
                .and_then(|t| {
                    usize::from_str_radix(t.split(';').next().unwrap_or("").trim(), 16).ok()
                })
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "malformed chunk"))?;
            if size == 0 || body.len() as u64 > MAX_ERROR_LEN {
                return Ok(body);
            }
            if buffer.len() < end + size.saturating_add(4) {
                break;
            }
            buffer.advance(end + 2);
            body.extend_from_slice(&buffer.split_to(size));
            buffer.advance(2);
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(bytes: &'static [u8]) -> Outcome {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        far.write_all(bytes).await.unwrap();
        upgrade(Box::new(near), "POST /x HTTP/1.1\r\n\r\n", b"{}").await.unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn bytes_after_the_head_are_not_lost() {
        let outcome = answer(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\nearly").await;
        let Outcome::Raw(raw) = outcome else { panic!("refused") };
        assert_eq!(raw.is_multiplexed, Some(true));
        let (mut read, _write) = raw.split();
        let mut bytes = [0; 5];
        read.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"early");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_refusal_carries_its_body() {
        for bytes in [
            &b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"[..],
            &b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ngon\r\n1\r\ne\r\n0\r\n\r\n"[..],
        ] {
            let Outcome::Refused(head, body) = answer(bytes).await else { panic!("raw") };
            assert_eq!((head.status, body.as_slice()), (404, &b"gone"[..]));
        }
    }
}
