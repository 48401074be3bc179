//! Attached streams over WebSocket.
//!
//! The server's half of RFC 6455, as far as byte streams need it: binary (for clients below API
//! 1.28 text) messages of any size in both directions, pings, and the farewell. Output is not
//! framed further: of a process without a terminal both streams come as one, as in Docker.
//!
//! Refuses: frames that are not masked (section 5.1), reserved bits and opcodes, control frames of
//! more than 125 bytes. The connection ends then.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, header};
use ring::digest;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::Mutex,
};

use crate::{ApiError, Attachment, Framing, Hijacked, stdcopy::HEADER_LEN};

/// Section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: &str = "13";
const BUFFER_BYTES: usize = 32 * 1024;
/// How long a client may take to answer a farewell.
const FAREWELL_TIME: std::time::Duration = std::time::Duration::from_secs(2);
const MAX_CONTROL_BYTES: u64 = 125;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const NORMAL_CLOSURE: [u8; 2] = 1000u16.to_be_bytes();

/// What output messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Opcode 1.
    Text,
    /// Opcode 2.
    Binary,
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Checks a client's handshake and returns the answer's head, without the fixed headers.
///
/// # Errors
/// 400 when it is none, or of another version.
pub(crate) fn handshake(headers: &HeaderMap) -> Result<String, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_upgrade = text(header::UPGRADE).is_some_and(|u| u.eq_ignore_ascii_case("websocket"));
    let key = text(header::SEC_WEBSOCKET_KEY).filter(|_| is_upgrade);
    let Some(key) = key else { return Err(ApiError::invalid("not a websocket handshake")) };
    if text(header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        return Err(ApiError::invalid("unsupported version of the websocket protocol"));
    }
    let protocol = match text(header::SEC_WEBSOCKET_PROTOCOL) {
        Some(protocol) if !protocol.contains(',') => {
            format!("Sec-WebSocket-Protocol: {}\r\n", protocol.trim())
        }
        Some(_) => return Err(ApiError::invalid("more than one websocket protocol")),
        None => String::new(),
    };
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{protocol}",
        accept_key(key)
    ))
}

fn accept_key(key: &str) -> String {
    let both = format!("{key}{GUID}");
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, both.as_bytes()))
}

/// Makes an attachment one for a client that speaks WebSocket.
pub(crate) fn wrap(attachment: Attachment, kind: MessageKind) -> Attachment {
    let Attachment { framing, serve } = attachment;
    Attachment::new(framing, move |client| bridge(client, serve, framing, kind))
}

type Serve = Box<dyn FnOnce(Hijacked) -> BoxFuture<'static, ()> + Send>;

async fn bridge(client: Hijacked, serve: Serve, framing: Framing, kind: MessageKind) {
    let (ours, theirs) = tokio::io::duplex(BUFFER_BYTES);
    let (from_container, to_container) = tokio::io::split(ours);
    let (from_client, to_client) = tokio::io::split(client);
    let to_client = Mutex::new(to_client);
    let streams = async {
        let output = send_output(from_container, &to_client, framing, kind);
        let input = receive_input(from_client, to_container, &to_client);
        tokio::pin!(output, input);
        // The output's end is the end. A client's is too: dropping our halves tells the container's
        // side, which then lets go.
        tokio::select! {
            // The client answers our farewell, and would see a reset if nobody took that.
            _ = &mut output => drop(tokio::time::timeout(FAREWELL_TIME, &mut input).await),
            end = &mut input => match end {
                // The process' input is closed; it goes on.
                Ok(InputEnd::Refused) => drop(output.await),
                Ok(InputEnd::Client) | Err(_) => {}
            },
        }
    };
    // Both end with the streams: the container's side sees its pipe broken.
    tokio::join!(serve(Hijacked::new(Bytes::new(), theirs)), streams);
}

/// Sends output until its end, then says farewell.
async fn send_output(
    mut from: ReadHalf<tokio::io::DuplexStream>,
    to: &Mutex<WriteHalf<Hijacked>>,
    framing: Framing,
    kind: MessageKind,
) -> io::Result<()> {
    let opcode = match kind {
        MessageKind::Text => TEXT,
        MessageKind::Binary => BINARY,
    };
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left_of_frame = 0;
    loop {
        let room = match framing {
            Framing::Raw => BUFFER_BYTES,
            Framing::Multiplexed if left_of_frame > 0 => left_of_frame.min(BUFFER_BYTES),
            Framing::Multiplexed => {
                let mut head = [0; HEADER_LEN];
                if from.read_exact(&mut head).await.is_err() {
                    break;
                }
                let [.., a, b, c, d] = head;
                left_of_frame = u32::from_be_bytes([a, b, c, d]) as usize;
                continue;
            }
        };
        let count = from.read(&mut buffer[..room]).await?;
        if count == 0 {
            break;
        }
        left_of_frame = left_of_frame.saturating_sub(count);
        send_message(to, opcode, &buffer[..count]).await?;
    }
    send_message(to, CLOSE, &NORMAL_CLOSURE).await?;
    to.lock().await.shutdown().await
}

async fn send_message(
    to: &Mutex<impl AsyncWrite + Unpin>,
    opcode: u8,
    payload: &[u8],
) -> io::Result<()> {
    let mut head = vec![FINAL | opcode];
    match payload.len() {
        length @ 0..=125 => head.push(length as u8),
        length @ 126..=0xffff => {
            head.push(126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            head.push(127);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    head.extend_from_slice(payload);
    let mut to = to.lock().await;
    to.write_all(&head).await?;
    to.flush().await
}

/// Why no more input comes.
#[derive(Debug, PartialEq, Eq)]
enum InputEnd {
    /// The client has said farewell or is gone.
    Client,
    /// The container takes no more.
    Refused,
}

/// A frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    opcode: u8,
    length: u64,
    mask: [u8; 4],
}

async fn receive_input(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    reply: &Mutex<impl AsyncWrite + Unpin>,
) -> io::Result<InputEnd> {
    loop {
        let head = read_head(&mut from).await?;
        match head.opcode {
            CONTINUATION | TEXT | BINARY => {
                if !pass_on(&mut from, &mut to, head).await? {
                    return Ok(InputEnd::Refused);
                }
            }
            CLOSE => return Ok(InputEnd::Client),
            PING => {
                let payload = read_control(&mut from, head).await?;
                send_message(reply, PONG, &payload).await?;
            }
            PONG => drop(read_control(&mut from, head).await?),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Head> {
    const RESERVED: u8 = 0x70;
    let [first, second] = [from.read_u8().await?, from.read_u8().await?];
    if first & RESERVED != 0 || second & MASKED == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let length = match second & !MASKED {
        126 => from.read_u16().await?.into(),
        127 => from.read_u64().await?,
        short => short.into(),
    };
    let mut mask = [0; 4];
    from.read_exact(&mut mask).await?;
    Ok(Head { opcode: first & 0x0f, length, mask })
}

async fn read_control(from: &mut (impl AsyncRead + Unpin), head: Head) -> io::Result<Vec<u8>> {
    if head.length > MAX_CONTROL_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; usize::try_from(head.length).expect("at most 125")];
    from.read_exact(&mut payload).await?;
    unmask(&mut payload, head.mask, 0);
    Ok(payload)
}

/// Passes a frame's payload on, however long; `false` when the other side takes no more.
async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    head: Head,
) -> io::Result<bool> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done = 0;
    while done < head.length {
        let room = usize::try_from(head.length - done).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
        let count = from.read(&mut buffer[..room]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        unmask(&mut buffer[..count], head.mask, done);
        if to.write_all(&buffer[..count]).await.is_err() {
            return Ok(false);
        }
        done += count as u64;
    }
    Ok(true)
}

fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    let start = (offset % 4) as usize;
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte ^= mask[(start + index) % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_the_documents() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_needs_key_and_version() {
        let mut headers = HeaderMap::new();
        assert!(handshake(&headers).is_err());
        headers.insert(header::UPGRADE, "WebSocket".parse().unwrap());
        headers.insert(header::SEC_WEBSOCKET_KEY, "x".parse().unwrap());
        assert!(handshake(&headers).is_err());
        headers.insert(header::SEC_WEBSOCKET_VERSION, "13".parse().unwrap());
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, "chat".parse().unwrap());
        let head = handshake(&headers).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Protocol: chat\r\n"));
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match u16::try_from(payload.len()).unwrap() {
            length @ 0..126 => frame.push(MASKED | length as u8),
            length => {
                frame.push(MASKED | 126);
                frame.extend_from_slice(&length.to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        let mut payload = payload.to_vec();
        unmask(&mut payload, mask, 0);
        frame.extend_from_slice(&payload);
        frame
    }

    async fn received(frames: &[u8]) -> (io::Result<InputEnd>, Vec<u8>, Vec<u8>) {
        let reply = Mutex::new(Vec::new());
        let mut input = Vec::new();
        let end = receive_input(frames, &mut input, &reply).await;
        (end, input, reply.into_inner())
    }

    #[tokio::test]
    async fn messages_in_pieces_with_pings_between_are_one_stream() {
        let long = vec![b'x'; 50_000];
        let frames = [
            frame(BINARY, b"one "),
            frame(FINAL | PING, b"are you there"),
            frame(FINAL, b"two "),
            frame(FINAL | BINARY, &long),
            frame(FINAL | CLOSE, &NORMAL_CLOSURE),
        ];
        let (end, input, reply) = received(&frames.concat()).await;
        assert_eq!(end.unwrap(), InputEnd::Client);
        assert!(input == [b"one two ", &long[..]].concat());
        assert_eq!(reply, [&[FINAL | PONG, 13], &b"are you there"[..]].concat());
    }

    #[tokio::test]
    async fn what_the_document_forbids_ends_the_connection() {
        let too_long = frame(FINAL | PING, &[0; 126]);
        for bytes in [&[FINAL | BINARY, 1, b'x'][..], &[0xf2, 0x80, 0, 0, 0, 0], &too_long] {
            assert!(received(bytes).await.0.is_err());
        }
        assert!(received(&frame(FINAL | 3, b"")).await.0.is_err());
    }

    #[tokio::test]
    async fn streams_lose_their_frames_and_the_end_is_a_farewell() {
        let (client, server) = tokio::io::duplex(1 << 16);
        let attachment = Attachment::new(Framing::Multiplexed, |mut stream: Hijacked| async move {
            for part in [&b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x03"[..], b"er", b"r"] {
                stream.write_all(part).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream.shutdown().await.unwrap();
        });
        let wrapped = wrap(attachment, MessageKind::Binary);
        (wrapped.serve)(Hijacked::new(Bytes::new(), server)).await;
        let mut client = client;
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        let mut payload = Vec::new();
        let mut rest = &bytes[..];
        while rest[0] == FINAL | BINARY {
            let length = usize::from(rest[1]);
            payload.extend_from_slice(&rest[2..2 + length]);
            rest = &rest[2 + length..];
        }
        assert_eq!(payload, b"outerr");
        assert_eq!(rest, [FINAL | CLOSE, 2, 3, 232]);
    }
}
