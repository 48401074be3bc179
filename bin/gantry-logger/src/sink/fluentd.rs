//! The forward protocol (version 1): `[tag, time, record, options]` in MessagePack.

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use container_log::{
    Message, StreamKind, part_id_text,
    sink::{self, FluentdAddress, Subject, Tls},
};
use rustix::rand::{GetRandomFlags, getrandom};

use super::{
    Sender, SinkError, msgpack,
    transport::{Connection, Endpoint, Timeouts},
};

/// Waits between attempts grow by this factor, up to the limit.
const GROWTH: f64 = 1.5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A fluentd server.
pub(super) struct Fluentd {
    options: sink::Fluentd,
    endpoint: Endpoint,
    subject: Subject,
    connection: Option<(Box<dyn Connection>, Instant)>,
}

impl Fluentd {
    /// Connects, unless that is left to the first message.
    pub(super) fn open(options: sink::Fluentd, subject: Subject) -> Result<Self, SinkError> {
        let endpoint = match options.address.clone() {
            FluentdAddress::Tcp(address) => Endpoint::Tcp(address),
            FluentdAddress::Tls(address) => Endpoint::Tls(address, Tls::default()),
            FluentdAddress::Unix(path) => Endpoint::Unix(path),
        };
        let mut fluentd = Self { options, endpoint, subject, connection: None };
        if !fluentd.options.is_async {
            fluentd.connect()?;
        }
        Ok(fluentd)
    }

    fn connect(&mut self) -> Result<&mut Box<dyn Connection>, SinkError> {
        let age = Duration::from_millis(self.options.reconnect_interval_ms);
        if !age.is_zero() {
            // Servers behind a name may have moved.
            self.connection.take_if(|(_, since)| since.elapsed() > age);
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => (self.endpoint.dial(self.timeouts())?, Instant::now()),
        };
        Ok(&mut self.connection.insert(connection).0)
    }

    fn timeouts(&self) -> Timeouts {
        let limit = |ms: u64| (ms > 0).then(|| Duration::from_millis(ms));
        Timeouts {
            read: limit(self.options.read_timeout_ms),
            write: limit(self.options.write_timeout_ms),
        }
    }

    fn record(&self, stream: StreamKind, message: &Message<'_>) -> Vec<(String, Vec<u8>)> {
        let text = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let mut record = vec![
            text("container_id", &self.subject.id),
            text("container_name", &format!("/{}", self.subject.name)),
            text("source", stream.name()),
            ("log".to_owned(), message.text.to_vec()),
        ];
        for (name, value) in &self.subject.attributes {
            record.retain(|(known, _)| known != name);
            record.push(text(name, value));
        }
        if let Some(part) = message.part {
            record.push(text("partial_message", "true"));
            record.push(text("partial_id", &part_id_text(&part.id)));
            record.push(text("partial_ordinal", &part.ordinal.to_string()));
            record.push(text("partial_last", &part.is_last.to_string()));
        }
        record
    }

    fn encode(&self, stream: StreamKind, message: &Message<'_>, chunk: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        msgpack::put_array(&mut out, 4);
        msgpack::put_text(&mut out, self.subject.tag.as_bytes());
        if self.options.sub_second {
            msgpack::put_event_time(&mut out, message.time.seconds, message.time.nanos);
        } else {
            msgpack::put_integer(&mut out, message.time.seconds);
        }
        let record = self.record(stream, message);
        msgpack::put_map(&mut out, record.len());
        for (name, value) in record {
            msgpack::put_text(&mut out, name.as_bytes());
            msgpack::put_text(&mut out, &value);
        }
        msgpack::put_map(&mut out, usize::from(chunk.is_some()));
        if let Some(chunk) = chunk {
            msgpack::put_text(&mut out, b"chunk");
            msgpack::put_text(&mut out, chunk.as_bytes());
        }
        out
    }

    fn attempt(&mut self, bytes: &[u8], chunk: Option<&str>) -> Result<(), SinkError> {
        let failed = |source| SinkError::Send { driver: "fluentd", source };
        let connection = self.connect()?;
        let sent =
            connection.write_all(bytes).and_then(|()| connection.flush()).map_err(failed).and_then(
                |()| chunk.map_or(Ok(()), |chunk| acknowledged(connection.as_mut(), chunk)),
            );
        if sent.is_err() {
            self.connection = None;
        }
        sent
    }
}

/// Reads `{"ack": chunk}`.
fn acknowledged(connection: &mut dyn Connection, chunk: &str) -> Result<(), SinkError> {
    const MAX_ANSWER_BYTES: usize = 1024;
    let mut answer = Vec::new();
    while answer.len() < MAX_ANSWER_BYTES {
        let mut byte = [0];
        let read = connection.take(1).read(&mut byte);
        match read.map_err(|source| SinkError::Send { driver: "fluentd", source })? {
            0 => break,
            _ => answer.push(byte[0]),
        }
        if let Some(found) = parse_ack(&answer) {
            let is_ours = found == chunk.as_bytes();
            return if is_ours { Ok(()) } else { Err(SinkError::NotAcknowledged) };
        }
    }
    Err(SinkError::NotAcknowledged)
}

/// The chunk, once the answer is complete.
fn parse_ack(mut answer: &[u8]) -> Option<&[u8]> {
    const MAP_OF_ONE: u8 = 0x81;
    if *answer.split_off_first()? != MAP_OF_ONE || msgpack::take_text(&mut answer)? != b"ack" {
        return None;
    }
    msgpack::take_text(&mut answer)
}

/// A name for one message that no other of the connection has.
fn random_chunk() -> String {
    let mut id = [0; 16];
    if getrandom(&mut id, GetRandomFlags::NONBLOCK).is_err() {
        id = [1; 16];
    }
    STANDARD.encode(id)
}

impl Sender for Fluentd {
    fn send(&mut self, stream: StreamKind, message: &Message<'_>) -> Result<(), SinkError> {
        let chunk = self.options.request_ack.then(random_chunk);
        let bytes = self.encode(stream, message, chunk.as_deref());
        let mut wait = Duration::from_millis(self.options.retry_wait_ms);
        let mut attempts = 0;
        loop {
            let Err(error) = self.attempt(&bytes, chunk.as_deref()) else { return Ok(()) };
            if attempts >= self.options.max_retries {
                return Err(error);
            }
            attempts += 1;
            std::thread::sleep(wait);
            wait = wait.mul_f64(GROWTH).min(LONGEST_WAIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::{TcpListener, TcpStream},
    };

    use container_log::{Part, Timestamp};

    use super::*;

    fn options(address: FluentdAddress) -> sink::Fluentd {
        sink::Fluentd {
            address,
            is_async: false,
            buffer_limit: 1 << 20,
            retry_wait_ms: 1,
            max_retries: 1000,
            sub_second: false,
            request_ack: false,
            write_timeout_ms: 0,
            read_timeout_ms: 0,
            reconnect_interval_ms: 0,
        }
    }

    fn listener() -> (TcpListener, FluentdAddress) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = FluentdAddress::Tcp(listener.local_addr().unwrap().to_string());
        (listener, address)
    }

    fn subject() -> Subject {
        let attributes = [("app".to_owned(), "shop".to_owned())].into();
        let (id, name, tag) = ("ab".into(), "web".into(), "docker.web".into());
        Subject { id, name, tag, attributes, ..Subject::default() }
    }

    fn read_some(stream: &mut TcpStream) -> Vec<u8> {
        let mut bytes = vec![0; 65536];
        let length = stream.read(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    const TIME: Timestamp = Timestamp { seconds: 7, nanos: 9 };

    #[test]
    fn a_message_is_tag_time_record_options() {
        let (listener, address) = listener();
        let mut fluentd = Fluentd::open(options(address), subject()).unwrap();
        let mut server = listener.accept().unwrap().0;
        let message = Message { text: b"hi", time: TIME, part: None };
        fluentd.send(StreamKind::Stdout, &message).unwrap();
        let bytes = read_some(&mut server);
        let mut expected = vec![0x94, 0xaa];
        expected.extend_from_slice(b"docker.web\xd3\0\0\0\0\0\0\0\x07\x85");
        for text in ["container_id", "ab", "container_name", "/web", "source", "stdout"] {
            msgpack::put_text(&mut expected, text.as_bytes());
        }
        for text in ["log", "hi", "app", "shop"] {
            msgpack::put_text(&mut expected, text.as_bytes());
        }
        expected.push(0x80);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn parts_and_nanoseconds_are_told() {
        let (listener, address) = listener();
        let options = sink::Fluentd { sub_second: true, ..options(address) };
        let mut fluentd = Fluentd::open(options, subject()).unwrap();
        let part = Some(Part { id: [2; 32], ordinal: 3, is_last: true });
        let message = Message { text: b"hi", time: TIME, part };
        fluentd.send(StreamKind::Stdout, &message).unwrap();
        let bytes = read_some(&mut listener.accept().unwrap().0);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("partial_ordinal\u{fffd}3") || text.contains("partial_ordinal"));
        assert!(bytes.windows(10).any(|w| w == [0xd7, 0, 0, 0, 0, 7, 0, 0, 0, 9]));
        for name in ["partial_message", "partial_id", "partial_last"] {
            assert!(text.contains(name), "{name}");
        }
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again() {
        let (listener, address) = listener();
        let options = sink::Fluentd { request_ack: true, ..options(address) };
        let serving = std::thread::spawn(move || {
            // The first connection ends without an answer.
            drop(read_some(&mut listener.accept().unwrap().0));
            let mut stream = listener.accept().unwrap().0;
            let bytes = read_some(&mut stream);
            let at = bytes.windows(5).position(|w| w == b"chunk").unwrap() + 5;
            let chunk = msgpack::take_text(&mut &bytes[at..]).unwrap();
            let mut answer = vec![0x81];
            msgpack::put_text(&mut answer, b"ack");
            msgpack::put_text(&mut answer, chunk);
            stream.write_all(&answer).unwrap();
        });
        let mut fluentd = Fluentd::open(options, subject()).unwrap();
        let message = Message { text: b"hi", time: TIME, part: None };
        fluentd.send(StreamKind::Stdout, &message).unwrap();
        serving.join().unwrap();
    }

    #[test]
    fn only_asynchronous_ones_open_without_a_server() {
        let (listener, address) = listener();
        drop(listener);
        let synchronous = options(address);
        let late = sink::Fluentd { is_async: true, max_retries: 2, ..synchronous.clone() };
        assert!(Fluentd::open(synchronous, subject()).is_err());
        let mut fluentd = Fluentd::open(late, subject()).unwrap();
        let message = Message { text: b"hi", time: TIME, part: None };
        assert!(fluentd.send(StreamKind::Stdout, &message).is_err(), "retries have an end");
    }
}
