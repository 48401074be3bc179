//! Syslog over datagrams and streams.
//!
//! Sources: RFC 3164 (section 4.1), RFC 5424 (section 6), RFC 5425 (section 4.3: the length before
//! each message, with TLS and RFC 5424); the line that the C library writes to the host's own.
//! Times are UTC.

use std::path::PathBuf;

use container_log::{
    Message, StreamKind, Timestamp,
    sink::{self, SyslogAddress, SyslogFormat},
};

use super::{
    Sender, SinkError, host_name, severity,
    transport::{Connection, Endpoint, Timeouts},
};

/// Where hosts have their own syslog.
const HOST_SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A syslog server.
pub(super) struct Syslog {
    endpoint: Endpoint,
    connection: Option<Box<dyn Connection>>,
    line: Line,
}

/// How a line is written.
struct Line {
    format: SyslogFormat,
    facility: u8,
    host: String,
    tag: String,
    pid: u32,
    has_length: bool,
}

impl Syslog {
    pub(super) fn open(syslog: sink::Syslog, tag: String) -> Result<Self, SinkError> {
        let is_tls = matches!(syslog.address, SyslogAddress::Tls(..));
        let is_5424 = matches!(syslog.format, SyslogFormat::Rfc5424 | SyslogFormat::Rfc5424Micro);
        let (endpoint, connection) = match syslog.address {
            SyslogAddress::Host => dial_host()?,
            SyslogAddress::Udp(address) => dial(Endpoint::Udp(address))?,
            SyslogAddress::Tcp(address) => dial(Endpoint::Tcp(address))?,
            SyslogAddress::Tls(address, keys) => dial(Endpoint::Tls(address, keys))?,
            SyslogAddress::Unix(path) => dial(Endpoint::Unix(path))?,
            SyslogAddress::Unixgram(path) => dial(Endpoint::Unixgram(path))?,
        };
        let line = Line {
            format: syslog.format,
            facility: syslog.facility,
            host: host_name(),
            tag,
            pid: std::process::id(),
            has_length: is_tls && is_5424,
        };
        Ok(Self { endpoint, connection: Some(connection), line })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => empty.insert(self.endpoint.dial(Timeouts::default())?),
        };
        let written = connection.write_all(bytes).and_then(|()| connection.flush());
        written.map_err(|source| {
            self.connection = None;
            SinkError::Send { driver: "syslog", source }
        })
    }
}

type Dialled = (Endpoint, Box<dyn Connection>);

fn dial(endpoint: Endpoint) -> Result<Dialled, SinkError> {
    let connection = endpoint.dial(Timeouts::default())?;
    Ok((endpoint, connection))
}

fn dial_host() -> Result<Dialled, SinkError> {
    let endpoints = HOST_SOCKETS
        .map(PathBuf::from)
        .into_iter()
        .flat_map(|path| [Endpoint::Unixgram(path.clone()), Endpoint::Unix(path)]);
    endpoints.into_iter().find_map(|endpoint| dial(endpoint).ok()).ok_or(SinkError::NoSyslog)
}

impl Sender for Syslog {
    fn send(&mut self, stream: StreamKind, message: &Message<'_>) -> Result<(), SinkError> {
        if message.text.is_empty() {
            return Ok(());
        }
        let line = self.line.write(stream, message);
        // A server that was restarted has closed the connection: once more over a new one.
        self.write(&line).or_else(|_| self.write(&line))
    }
}

impl Line {
    fn write(&self, stream: StreamKind, message: &Message<'_>) -> Vec<u8> {
        let Self { host, tag, pid, .. } = self;
        let priority = self.facility << 3 | severity(stream);
        let head = match self.format {
            SyslogFormat::Unix => {
                format!("<{priority}>{} {tag}[{pid}]: ", stamp(message.time))
            }
            SyslogFormat::Rfc3164 => {
                format!("<{priority}>{} {host} {tag}[{pid}]: ", stamp(message.time))
            }
            SyslogFormat::Rfc5424 => {
                let time = rfc3339(message.time, 0);
                format!("<{priority}>1 {time} {host} {tag} {pid} {tag} - ")
            }
            SyslogFormat::Rfc5424Micro => {
                let time = rfc3339(message.time, 6);
                format!("<{priority}>1 {time} {host} {tag} {pid} {tag} - ")
            }
        };
        let mut line = head.into_bytes();
        line.extend_from_slice(message.text);
        line.push(b'\n');
        if self.has_length {
            let mut framed = format!("{} ", line.len()).into_bytes();
            framed.append(&mut line);
            return framed;
        }
        line
    }
}

/// `Jan  2 15:04:05`.
fn stamp(time: Timestamp) -> String {
    let text = rfc3339(time, 0);
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<usize>().ok());
    let month = number(5..7).and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let day = number(8..10).unwrap_or_default();
    format!("{} {day:>2} {}", month.unwrap_or(&"Jan"), text.get(11..19).unwrap_or_default())
}

/// RFC 3339 with so many digits of a second.
fn rfc3339(time: Timestamp, digits: usize) -> String {
    const WHOLE: usize = "2026-01-01T00:00:00".len();
    let mut bytes = Vec::new();
    time.write_fixed(&mut bytes);
    let end = if digits == 0 { WHOLE } else { WHOLE + 1 + digits };
    bytes.truncate(end);
    bytes.push(b'Z');
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        net::{TcpListener, UdpSocket},
        os::unix::net::{UnixDatagram, UnixListener},
        sync::Arc,
    };

    use super::*;

    const TIME: Timestamp = Timestamp { seconds: 1_767_323_045, nanos: 123_456_789 };

    fn open(address: SyslogAddress, format: SyslogFormat) -> Result<Syslog, SinkError> {
        Syslog::open(sink::Syslog { address, facility: 3, format }, "tag".into())
    }

    fn send(syslog: &mut Syslog, stream: StreamKind, text: &str) {
        let message = Message { text: text.as_bytes(), time: TIME, part: None };
        syslog.send(stream, &message).unwrap();
    }

    #[test]
    fn every_format_is_as_its_document_says() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = SyslogAddress::Udp(server.local_addr().unwrap().to_string());
        let (host, pid) = (host_name(), std::process::id());
        for (format, stream, expected) in [
            (
                SyslogFormat::Unix,
                StreamKind::Stdout,
                format!("<30>Jan  2 03:04:05 tag[{pid}]: hi\n"),
            ),
            (
                SyslogFormat::Rfc3164,
                StreamKind::Stderr,
                format!("<27>Jan  2 03:04:05 {host} tag[{pid}]: hi\n"),
            ),
            (
                SyslogFormat::Rfc5424,
                StreamKind::Stdout,
                format!("<30>1 2026-01-02T03:04:05Z {host} tag {pid} tag - hi\n"),
            ),
            (
                SyslogFormat::Rfc5424Micro,
                StreamKind::Stdout,
                format!("<30>1 2026-01-02T03:04:05.123456Z {host} tag {pid} tag - hi\n"),
            ),
        ] {
            let mut syslog = open(address.clone(), format).unwrap();
            send(&mut syslog, stream, "");
            send(&mut syslog, stream, "hi");
            let mut datagram = [0; 1024];
            let length = server.recv(&mut datagram).unwrap();
            assert_eq!(String::from_utf8_lossy(&datagram[..length]), expected);
        }
    }

    #[test]
    fn sockets_of_the_file_system_and_streams_get_lines() {
        let dir = tempfile::tempdir().unwrap();
        let (gram, stream) = (dir.path().join("gram"), dir.path().join("stream"));
        let datagrams = UnixDatagram::bind(&gram).unwrap();
        send(
            &mut open(SyslogAddress::Unixgram(gram), SyslogFormat::Unix).unwrap(),
            StreamKind::Stdout,
            "one",
        );
        let mut datagram = [0; 1024];
        let length = datagrams.recv(&mut datagram).unwrap();
        assert!(datagram[..length].ends_with(b": one\n"));
        let listener = UnixListener::bind(&stream).unwrap();
        let mut syslog = open(SyslogAddress::Unix(stream), SyslogFormat::Rfc3164).unwrap();
        send(&mut syslog, StreamKind::Stdout, "two");
        let mut line = String::new();
        BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
        assert!(line.ends_with(": two\n"));
    }

    #[test]
    fn a_server_that_was_restarted_is_found_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = SyslogAddress::Tcp(listener.local_addr().unwrap().to_string());
        let mut syslog = open(address, SyslogFormat::Rfc3164).unwrap();
        drop(listener.accept().unwrap());
        let reading = std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
            line
        });
        let message = Message { text: b"again", time: TIME, part: None };
        while !reading.is_finished() {
            // What is sent after the server has read its line may fail.
            let _ = syslog.send(StreamKind::Stdout, &message);
        }
        assert!(reading.join().unwrap().ends_with(": again\n"));
    }

    #[test]
    fn a_server_that_is_not_there_is_told_in_gos_words() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = open(SyslogAddress::Tcp(address.clone()), SyslogFormat::Unix).err().unwrap();
        let expected = format!("dial tcp {address}: connect: connection refused");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn tls_is_verified_and_messages_have_their_length() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, key.cert.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![key.cert.der().clone()],
                rustls_pki_types::PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into()),
            )
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = std::thread::spawn(move || {
            let mut texts = Vec::new();
            for _ in 0..3 {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, listener.accept().unwrap().0);
                let mut bytes = Vec::new();
                // The end without a farewell is an error of TLS; what came before it counts.
                let _ = stream.read_to_end(&mut bytes);
                texts.push(String::from_utf8(bytes).unwrap());
            }
            texts
        });
        let trusted = sink::Tls { ca: Some(ca), ..sink::Tls::default() };
        let any = sink::Tls { skip_verify: true, ..sink::Tls::default() };
        for keys in [trusted, any] {
            let address = SyslogAddress::Tls(address.clone(), keys);
            send(&mut open(address, SyslogFormat::Rfc5424).unwrap(), StreamKind::Stdout, "s");
        }
        let stranger = SyslogAddress::Tls(address, sink::Tls::default());
        assert!(matches!(open(stranger, SyslogFormat::Rfc5424), Err(SinkError::Tls(_))));
        let texts = serving.join().unwrap();
        for text in &texts[..2] {
            let (length, line) = text.split_once(' ').unwrap();
            assert!(
                line.starts_with("<30>1 2026") && line.len() == length.parse::<usize>().unwrap()
            );
        }
        assert_eq!(texts[2], "");
    }
}
