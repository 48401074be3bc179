//! Connections that are made anew when they break.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs as _, UdpSocket},
    os::unix::net::{UnixDatagram, UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use container_log::sink::Tls;

use super::{SinkError, tls};

const DIAL_TIME: Duration = Duration::from_secs(10);

/// Where to connect.
#[derive(Debug, Clone)]
pub(super) enum Endpoint {
    Udp(String),
    Tcp(String),
    Tls(String, Tls),
    Unix(PathBuf),
    Unixgram(PathBuf),
}

/// How long reads and writes may take; `None`: for ever.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timeouts {
    pub(super) read: Option<Duration>,
    pub(super) write: Option<Duration>,
}

/// A connection.
pub(super) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

struct Datagrams<S>(S);

impl Read for Datagrams<UdpSocket> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer)
    }
}

impl Write for Datagrams<UdpSocket> {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.send(datagram)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Datagrams<UnixDatagram> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(buffer)
    }
}

impl Write for Datagrams<UnixDatagram> {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.0.send(datagram)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Endpoint {
    /// Connects.
    pub(super) fn dial(&self, timeouts: Timeouts) -> Result<Box<dyn Connection>, SinkError> {
        match self {
            Self::Udp(address) => {
                let socket = udp(address).map_err(|error| failed("udp", address, &error))?;
                Ok(Box::new(Datagrams(socket)))
            }
            Self::Tcp(address) => Ok(Box::new(tcp(address, timeouts)?)),
            Self::Tls(address, keys) => tls::connect(tcp(address, timeouts)?, address, keys),
            Self::Unix(path) => unix(path, timeouts)
                .map(|socket| Box::new(socket) as Box<dyn Connection>)
                .map_err(|error| failed("unix", &path.to_string_lossy(), &error)),
            Self::Unixgram(path) => unixgram(path)
                .map(|socket| Box::new(Datagrams(socket)) as Box<dyn Connection>)
                .map_err(|error| failed("unixgram", &path.to_string_lossy(), &error)),
        }
    }
}

fn udp(address: &str) -> io::Result<UdpSocket> {
    let to = resolve(address)?.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
    let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    Ok(socket)
}

fn tcp(address: &str, timeouts: Timeouts) -> Result<TcpStream, SinkError> {
    let attempt = || {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in resolve(address)? {
            match TcpStream::connect_timeout(&address, DIAL_TIME) {
                Ok(stream) => {
                    stream.set_read_timeout(timeouts.read)?;
                    stream.set_write_timeout(timeouts.write)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    attempt().map_err(|error| failed("tcp", address, &error))
}

fn unix(path: &Path, timeouts: Timeouts) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(timeouts.read)?;
    stream.set_write_timeout(timeouts.write)?;
    Ok(stream)
}

fn unixgram(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

fn resolve(address: &str) -> io::Result<Vec<std::net::SocketAddr>> {
    Ok(address.to_socket_addrs()?.collect())
}

fn failed(network: &'static str, address: &str, error: &io::Error) -> SinkError {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        io::ErrorKind::NotFound if network.starts_with("unix") => {
            "connect: no such file or directory".to_owned()
        }
        _ => error.to_string(),
    };
    SinkError::Dial { network, address: address.to_owned(), reason }
}
