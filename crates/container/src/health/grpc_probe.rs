//! `grpc.health.v1.Health/Check`: healthy is the answer SERVING.
//!
//! One call over HTTP/2 without TLS (RFC 9113): what it takes of that is small. Header fields are
//! sent as literals that no table knows (RFC 7541, 6.2.2); those that come are not read, since the
//! answer is in the data. A server that refuses ends the stream without data.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{endpoint::GrpcTarget, socket};
use crate::{Container, ContainerError};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a peer may send at most in a frame, unless it is told otherwise.
const MAX_FRAME_BYTES: usize = 16 * 1024;
/// More frames than any answer takes.
const MAX_FRAMES: usize = 64;
/// Stream of the call.
const STREAM: u32 = 1;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// `HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;

/// Asks once; exit code and what the server said.
pub(super) async fn run(
    container: &Container,
    target: &GrpcTarget,
) -> Result<(i32, String), ContainerError> {
    let failed = |source| ContainerError::Probe { address: target.address.to_string(), source };
    let mut stream = socket::connect(container, target.address).await?;
    stream.write_all(&call(target)).await.map_err(failed)?;
    let answer = read_answer(&mut stream).await.map_err(failed)?;
    Ok(match answer.as_deref().and_then(serving_status) {
        Some(SERVING) => (0, "SERVING".to_owned()),
        Some(0) => (1, "UNKNOWN".to_owned()),
        Some(2) => (1, "NOT_SERVING".to_owned()),
        Some(3) => (1, "SERVICE_UNKNOWN".to_owned()),
        Some(other) => (1, format!("status {other}")),
        None => (1, "no answer: the service or its health check is not there".to_owned()),
    })
}

/// Preface, settings and the whole call in one write.
fn call(target: &GrpcTarget) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    push_frame(&mut bytes, SETTINGS, 0, 0, &[]);
    let authority = target.address.to_string();
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority.as_str()),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "gantry-health"),
    ] {
        block.push(0);
        push_text(&mut block, name);
        push_text(&mut block, value);
    }
    push_frame(&mut bytes, HEADERS, END_HEADERS, STREAM, &block);
    push_frame(&mut bytes, DATA, END_STREAM, STREAM, &request(&target.service));
    bytes
}

/// `HealthCheckRequest { service = 1 }` with the five bytes that gRPC puts before a message.
fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        push_varint(&mut message, service.len());
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).expect("a service's name is bounded");
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend(message);
    framed
}

fn push_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("frames made here are small");
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A string literal: seven bits of length, continued if they do not suffice.
fn push_text(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        short @ ..127 => out.push(u8::try_from(short).expect("less than 127")),
        long => {
            out.push(127);
            push_varint(out, long - 127);
        }
    }
    out.extend_from_slice(text.as_bytes());
}

fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("less than 128"));
}

/// The data of the call's stream; none when it ends without.
async fn read_answer(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut data = Vec::new();
    for _ in 0..MAX_FRAMES {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await?;
        let [a, b, c, kind, flags, stream_id @ ..] = header;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(std::io::Error::other("the answer is not HTTP/2"));
        }
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        let is_ours = u32::from_be_bytes(stream_id) & 0x7fff_ffff == STREAM;
        match kind {
            SETTINGS if flags & ACK == 0 => acknowledge(stream, SETTINGS, &[]).await?,
            PING if flags & ACK == 0 => acknowledge(stream, PING, &payload).await?,
            GOAWAY => return Err(std::io::Error::other("the server ended the connection")),
            RST_STREAM if is_ours => return Ok(None),
            DATA if is_ours => data.extend_from_slice(unpadded(&payload, flags)),
            _ => {}
        }
        let has_ended = is_ours && matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        if has_ended || serving_status(&data).is_some() {
            return Ok(Some(data).filter(|data| !data.is_empty()));
        }
    }
    Ok(None)
}

async fn acknowledge(stream: &mut TcpStream, kind: u8, payload: &[u8]) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    push_frame(&mut bytes, kind, ACK, 0, payload);
    stream.write_all(&bytes).await
}

fn unpadded(payload: &[u8], flags: u8) -> &[u8] {
    match payload.split_first() {
        Some((padding, rest)) if flags & PADDED != 0 => {
            &rest[..rest.len().saturating_sub(usize::from(*padding))]
        }
        _ => payload,
    }
}

/// `HealthCheckResponse { status = 1 }`; a whole message without the field says UNKNOWN.
fn serving_status(data: &[u8]) -> Option<u64> {
    let (prefix, rest) = data.split_first_chunk::<5>()?;
    let [is_compressed, length @ ..] = *prefix;
    let message = rest.get(..u32::from_be_bytes(length) as usize)?;
    match (is_compressed, message) {
        (0, []) => Some(0),
        (0, [0x08, status, ..]) if *status < 0x80 => Some(u64::from(*status)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_made_of_whole_frames() {
        let target = GrpcTarget::parse(&format!(":7/{}", "s".repeat(300))).unwrap();
        let bytes = call(&target);
        let mut rest = bytes.strip_prefix(PREFACE).unwrap();
        let mut kinds = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
            kinds.push((rest[3], rest[4]));
            rest = &rest[9 + length..];
        }
        assert_eq!(kinds, [(SETTINGS, 0), (HEADERS, END_HEADERS), (DATA, END_STREAM)]);
        assert_eq!(request("").len(), 5);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    }

    #[test]
    fn long_texts_are_continued() {
        let mut out = Vec::new();
        push_text(&mut out, &"x".repeat(300));
        assert_eq!(out[..3], [127, 0xad, 0x01]);
        assert_eq!(out.len(), 303);
    }

    #[test]
    fn answers() {
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 1]), Some(SERVING));
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 2]), Some(2));
        assert_eq!(serving_status(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8]), None);
        assert_eq!(serving_status(&[1, 0, 0, 0, 2, 8, 1]), None);
        assert_eq!(unpadded(&[2, 5, 6, 0, 0], PADDED), [5, 6]);
        assert_eq!(unpadded(&[9, 5], PADDED), [] as [u8; 0]);
    }
}
