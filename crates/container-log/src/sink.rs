//! Where `gantry-logger` sends messages: checked configurations, as the engine writes them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Everything that a logger needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Whose messages.
    pub subject: Subject,
    /// To where.
    pub sink: Sink,
    /// What happens when the sink does not keep up.
    pub delivery: Delivery,
}

/// The container whose messages are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Whole.
    pub id: String,
    /// Without a slash.
    pub name: String,
    /// Digest.
    pub image_id: String,
    /// As it was asked for.
    pub image_name: String,
    /// Entrypoint and arguments.
    pub command: String,
    /// RFC 3339.
    pub created: String,
    /// The evaluated tag.
    pub tag: String,
    /// From labels and environment.
    pub attributes: BTreeMap<String, String>,
}

/// What happens when the sink does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The container waits.
    Blocking,
    /// New messages are dropped once so many bytes of text wait.
    NonBlocking {
        /// Bytes of text.
        max_buffer_bytes: u64,
    },
}

/// A place for messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sink {
    /// RFC 3164 or 5424.
    Syslog(Syslog),
    /// The native protocol of systemd-journald.
    Journald,
    /// The forward protocol.
    Fluentd(Fluentd),
    /// Graylog's extended log format.
    Gelf(Gelf),
}

/// A syslog server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syslog {
    /// Where it listens.
    pub address: SyslogAddress,
    /// The facility's number.
    pub facility: u8,
    /// How messages are written.
    pub format: SyslogFormat,
}

/// Where a syslog server listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyslogAddress {
    /// The host's own: `/dev/log`, `/var/run/syslog`, `/var/run/log`.
    Host,
    /// `host:port`.
    Udp(String),
    /// `host:port`.
    Tcp(String),
    /// `host:port`, with TLS.
    Tls(String, Tls),
    /// A stream socket.
    Unix(PathBuf),
    /// A datagram socket.
    Unixgram(PathBuf),
}

/// Keys and trust of a TLS client; all paths are the engine's host's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// PEM; `None`: the host's.
    pub ca: Option<PathBuf>,
    /// PEM.
    pub certificate: Option<PathBuf>,
    /// PEM.
    pub key: Option<PathBuf>,
    /// Whether any certificate is taken.
    pub skip_verify: bool,
}

/// How syslog messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyslogFormat {
    /// As the C library does: no host name.
    Unix,
    /// RFC 3164.
    Rfc3164,
    /// RFC 5424, seconds.
    Rfc5424,
    /// RFC 5424, microseconds.
    Rfc5424Micro,
}

/// A fluentd server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fluentd {
    /// Where it listens.
    pub address: FluentdAddress,
    /// Whether a container starts without a connection.
    pub is_async: bool,
    /// Bytes that wait for the connection at most, when async.
    pub buffer_limit: u64,
    /// First wait between attempts, in milliseconds.
    pub retry_wait_ms: u64,
    /// Attempts before a message is given up.
    pub max_retries: u32,
    /// Whether times are of nanosecond precision.
    pub sub_second: bool,
    /// Whether each message is acknowledged.
    pub request_ack: bool,
    /// 0: none.
    pub write_timeout_ms: u64,
    /// 0: none.
    pub read_timeout_ms: u64,
    /// 0: connections are kept for ever.
    pub reconnect_interval_ms: u64,
}

/// Where a fluentd server listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FluentdAddress {
    /// `host:port`.
    Tcp(String),
    /// `host:port`, with TLS.
    Tls(String),
    /// A stream socket.
    Unix(PathBuf),
}

/// A GELF endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gelf {
    /// Chunked datagrams.
    Udp {
        /// `host:port`.
        address: String,
        /// How messages are compressed.
        compression: GelfCompression,
        /// -1: the default; 0 to 9.
        level: i32,
    },
    /// Messages that end with a zero byte.
    Tcp {
        /// `host:port`.
        address: String,
        /// Attempts to connect anew.
        max_reconnect: u32,
        /// Seconds between them.
        reconnect_delay: u32,
    },
}

/// How a GELF datagram is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GelfCompression {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// Not at all.
    None,
}
