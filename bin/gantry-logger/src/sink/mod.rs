//! Places to send messages to.

mod fluentd;
mod gelf;
mod journald;
mod msgpack;
mod syslog;
mod tls;
mod transport;

use std::io;

use container_log::{
    Message, StreamKind,
    sink::{Configuration, Sink},
};

pub use journald::Journald;

/// Why a sink cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It cannot be reached.
    #[error("dial {network} {address}: {reason}")]
    Dial {
        /// `tcp`, `udp`, `unix`, `unixgram`.
        network: &'static str,
        /// Where.
        address: String,
        /// In short.
        reason: String,
    },
    /// A graylog endpoint cannot be reached.
    #[error("gelf: cannot connect to GELF endpoint: {address} {source}")]
    Gelf {
        /// Where.
        address: String,
        /// Why.
        source: Box<SinkError>,
    },
    /// The host runs no journal.
    #[error("journald is not enabled on this host")]
    NoJournal,
    /// The host runs no syslog.
    #[error("Unix syslog delivery error")]
    NoSyslog,
    /// TLS cannot be set up.
    #[error("tls: {0}")]
    Tls(String),
    /// A message could not be sent.
    #[error("send to {driver}: {source}")]
    Send {
        /// The driver.
        driver: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A server did not acknowledge a message.
    #[error("fluentd did not acknowledge a message")]
    NotAcknowledged,
    /// A message is too large for the protocol.
    #[error("a message of {0} bytes is too large for {1}")]
    TooLarge(usize, &'static str),
}

/// Sends messages.
pub trait Sender {
    /// Sends one message, or gives it up.
    ///
    /// # Errors
    /// Why it was given up; later messages may succeed.
    fn send(&mut self, stream: StreamKind, message: &Message<'_>) -> Result<(), SinkError>;
}

/// Reaches a sink.
///
/// # Errors
/// When it cannot be reached; such a container does not start.
pub fn open(configuration: Configuration) -> Result<Box<dyn Sender>, SinkError> {
    let Configuration { subject, sink, .. } = configuration;
    Ok(match sink {
        Sink::Syslog(syslog) => Box::new(syslog::Syslog::open(syslog, subject.tag)?),
        Sink::Journald => Box::new(Journald::open(journald::SOCKET.as_ref(), &subject)?),
        Sink::Fluentd(fluentd) => Box::new(fluentd::Fluentd::open(fluentd, subject)?),
        Sink::Gelf(gelf) => Box::new(gelf::Gelf::open(gelf, &subject)?),
    })
}

/// Syslog's severities, which journald and GELF share.
fn severity(stream: StreamKind) -> u8 {
    match stream {
        StreamKind::Stdout => 6,
        StreamKind::Stderr => 3,
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
