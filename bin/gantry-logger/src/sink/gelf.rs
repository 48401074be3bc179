//! Graylog's extended log format 1.1.
//!
//! Over UDP compressed and, above [`CHUNK_BYTES`], in chunks: `1e 0f`, eight bytes of id, number,
//! count. Over TCP plain, each message with a zero byte at its end.

use std::{io::Write as _, time::Duration};

use container_log::{
    Message, StreamKind,
    sink::{self, GelfCompression, Subject},
};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Map, Value, json};

use super::{
    Sender, SinkError, host_name, severity,
    transport::{Connection, Endpoint, Timeouts},
};

/// A datagram that passes any network.
const CHUNK_BYTES: usize = 1420;
const CHUNK_HEAD_BYTES: usize = 12;
const MAX_CHUNKS: usize = 128;
const MAGIC: [u8; 2] = [0x1e, 0x0f];

/// A Graylog endpoint.
pub(super) struct Gelf {
    endpoint: Endpoint,
    address: String,
    connection: Option<Box<dyn Connection>>,
    mode: Mode,
    fixed: Map<String, Value>,
}

enum Mode {
    Udp { compression: GelfCompression, level: Compression },
    Tcp { max_reconnect: u32, delay: Duration },
}

impl Gelf {
    pub(super) fn open(gelf: sink::Gelf, subject: &Subject) -> Result<Self, SinkError> {
        let (endpoint, address, mode) = match gelf {
            sink::Gelf::Udp { address, compression, level } => {
                let level =
                    u32::try_from(level).map_or_else(|_| Compression::default(), Compression::new);
                (Endpoint::Udp(address.clone()), address, Mode::Udp { compression, level })
            }
            sink::Gelf::Tcp { address, max_reconnect, reconnect_delay } => {
                let delay = Duration::from_secs(reconnect_delay.into());
                (Endpoint::Tcp(address.clone()), address, Mode::Tcp { max_reconnect, delay })
            }
        };
        let mut gelf =
            Self { endpoint, address, connection: None, mode, fixed: fixed_fields(subject) };
        gelf.connect()?;
        Ok(gelf)
    }

    fn connect(&mut self) -> Result<&mut Box<dyn Connection>, SinkError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.endpoint.dial(Timeouts::default()).map_err(|source| SinkError::Gelf {
                address: self.address.clone(),
                source: Box::new(source),
            })?,
        };
        Ok(self.connection.insert(connection))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let written = self.connect()?.write_all(bytes);
        written.map_err(|source| {
            self.connection = None;
            SinkError::Send { driver: "gelf", source }
        })
    }

    fn write_datagrams(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.len() <= CHUNK_BYTES {
            return self.write(bytes);
        }
        let chunks = bytes.chunks(CHUNK_BYTES - CHUNK_HEAD_BYTES);
        let count = u8::try_from(chunks.len()).ok().filter(|n| usize::from(*n) <= MAX_CHUNKS);
        let count = count.ok_or(SinkError::TooLarge(bytes.len(), "gelf over UDP"))?;
        let id = random_id();
        for (number, chunk) in (0u8..).zip(chunks) {
            let mut datagram = MAGIC.to_vec();
            datagram.extend_from_slice(&id);
            datagram.extend_from_slice(&[number, count]);
            datagram.extend_from_slice(chunk);
            self.write(&datagram)?;
        }
        Ok(())
    }

    fn encode(&self, stream: StreamKind, message: &Message<'_>) -> Vec<u8> {
        let mut document = self.fixed.clone();
        let millis = message.time.unix_nanos() / 1_000_000;
        document.insert("short_message".into(), String::from_utf8_lossy(message.text).into());
        document.insert("timestamp".into(), json!(millis as f64 / 1000.0));
        document.insert("level".into(), severity(stream).into());
        Value::Object(document).to_string().into_bytes()
    }
}

fn fixed_fields(subject: &Subject) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in [
        ("version", "1.1"),
        ("host", &host_name()),
        ("_container_id", &subject.id),
        ("_container_name", &subject.name),
        ("_image_id", &subject.image_id),
        ("_image_name", &subject.image_name),
        ("_command", &subject.command),
        ("_tag", &subject.tag),
        ("_created", &subject.created),
    ] {
        fields.insert(name.to_owned(), value.into());
    }
    for (name, value) in &subject.attributes {
        let is_marked = name.starts_with('_');
        let name = if is_marked { name.clone() } else { format!("_{name}") };
        fields.insert(name, value.as_str().into());
    }
    fields
}

/// Chunks of different messages that come at once are told apart by it.
fn random_id() -> [u8; 8] {
    let mut id = [0; 8];
    if getrandom(&mut id, GetRandomFlags::NONBLOCK).is_err() {
        id[..4].copy_from_slice(&std::process::id().to_le_bytes());
    }
    id
}

fn compress(
    bytes: Vec<u8>,
    compression: GelfCompression,
    level: Compression,
) -> std::io::Result<Vec<u8>> {
    match compression {
        GelfCompression::None => Ok(bytes),
        GelfCompression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(&bytes)?;
            encoder.finish()
        }
        GelfCompression::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(&bytes)?;
            encoder.finish()
        }
    }
}

impl Sender for Gelf {
    fn send(&mut self, stream: StreamKind, message: &Message<'_>) -> Result<(), SinkError> {
        if message.text.is_empty() {
            return Ok(());
        }
        let mut bytes = self.encode(stream, message);
        match self.mode {
            Mode::Udp { compression, level } => {
                let compressed = compress(bytes, compression, level)
                    .map_err(|source| SinkError::Send { driver: "gelf", source })?;
                self.write_datagrams(&compressed)
            }
            Mode::Tcp { max_reconnect, delay } => {
                bytes.push(0);
                let mut sent = self.write(&bytes);
                for _ in 0..max_reconnect {
                    if sent.is_ok() {
                        break;
                    }
                    sent = self.write(&bytes);
                    if sent.is_err() {
                        std::thread::sleep(delay);
                    }
                }
                sent
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        net::{TcpListener, UdpSocket},
    };

    use container_log::Timestamp;
    use flate2::read::{GzDecoder, ZlibDecoder};

    use super::*;

    const TIME: Timestamp = Timestamp { seconds: 1_767_323_045, nanos: 123_456_789 };

    fn subject() -> Subject {
        let attributes = [("app".to_owned(), "shop".to_owned())].into();
        Subject { id: "ab".into(), name: "web".into(), attributes, ..Subject::default() }
    }

    fn send(gelf: &mut Gelf, text: &[u8]) {
        gelf.send(StreamKind::Stderr, &Message { text, time: TIME, part: None }).unwrap();
    }

    fn check(document: &[u8], text: &str) {
        let document: Value = serde_json::from_slice(document).unwrap();
        assert_eq!(document["version"], "1.1");
        assert_eq!(document["short_message"], text);
        assert_eq!(document["level"], 3);
        assert_eq!(document["timestamp"], 1_767_323_045.123);
        assert_eq!(document["_container_name"], "web");
        assert_eq!(document["_app"], "shop");
    }

    fn udp(compression: GelfCompression) -> (UdpSocket, Gelf) {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let gelf = sink::Gelf::Udp { address, compression, level: 1 };
        (server, Gelf::open(gelf, &subject()).unwrap())
    }

    fn receive(server: &UdpSocket) -> Vec<u8> {
        let mut datagram = vec![0; 65536];
        let length = server.recv(&mut datagram).unwrap();
        datagram.truncate(length);
        datagram
    }

    #[test]
    fn datagrams_are_compressed_as_asked() {
        let (server, mut gelf) = udp(GelfCompression::Gzip);
        send(&mut gelf, b"");
        send(&mut gelf, b"hi");
        let mut document = Vec::new();
        GzDecoder::new(&receive(&server)[..]).read_to_end(&mut document).unwrap();
        check(&document, "hi");
        let (server, mut gelf) = udp(GelfCompression::Zlib);
        send(&mut gelf, b"hi");
        document.clear();
        ZlibDecoder::new(&receive(&server)[..]).read_to_end(&mut document).unwrap();
        check(&document, "hi");
    }

    #[test]
    fn large_messages_come_in_chunks() {
        let (server, mut gelf) = udp(GelfCompression::None);
        let text = "x".repeat(5000);
        send(&mut gelf, text.as_bytes());
        let first = receive(&server);
        let count = usize::from(first[11]);
        assert!(first[..2] == MAGIC && first[10] == 0 && count == 4);
        let mut document = first[12..].to_vec();
        for number in 1..count {
            let chunk = receive(&server);
            assert!(chunk[2..10] == first[2..10] && usize::from(chunk[10]) == number);
            document.extend_from_slice(&chunk[12..]);
        }
        check(&document, &text);
    }

    #[test]
    fn streams_have_zero_bytes_between_messages() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let gelf = sink::Gelf::Tcp { address, max_reconnect: 3, reconnect_delay: 0 };
        let mut gelf = Gelf::open(gelf, &subject()).unwrap();
        let mut server = BufReader::new(listener.accept().unwrap().0);
        for text in ["one", "two"] {
            send(&mut gelf, text.as_bytes());
            let mut document = Vec::new();
            server.read_until(0, &mut document).unwrap();
            document.pop();
            check(&document, text);
        }
    }
}
