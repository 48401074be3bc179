//! Where to listen: `unix:///path`, `tcp://host:port`, `fd://[name or number]`.

use std::{fmt, path::PathBuf, str::FromStr};

/// A place to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A TCP socket; the host may be a name, the port may be left to the default.
    Tcp {
        /// An address or name, without brackets; empty is loopback.
        host: String,
        /// `None` is 2376 with TLS and 2375 without.
        port: Option<u16>,
    },
    /// Sockets inherited from systemd: all, or the one with this number.
    Fd(Option<i32>),
}

/// The text is no place to listen on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// The scheme is missing or unknown.
    #[error("invalid bind address format: {0}")]
    Format(String),
    /// The part after `tcp://` is not `host:port`.
    #[error("invalid bind address format: {0}: a host and a port are expected")]
    Tcp(String),
    /// A unix path that is not absolute.
    #[error("invalid bind address format: {0}: an absolute path is expected")]
    Path(String),
}

/// The socket that clients look for when they are told nothing else.
pub const DEFAULT_SOCKET: &str = "/run/gantry/gantry.sock";

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Ok(Self::Unix(DEFAULT_SOCKET.into()));
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| AddressError::Format(text.to_owned()))?;
        match scheme {
            "unix" if rest.is_empty() => Ok(Self::Unix(DEFAULT_SOCKET.into())),
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "unix" => Err(AddressError::Path(text.to_owned())),
            "tcp" => tcp(rest).ok_or_else(|| AddressError::Tcp(text.to_owned())),
            "fd" if matches!(rest, "" | "*") => Ok(Self::Fd(None)),
            "fd" => match rest.parse() {
                Ok(number) if number >= 3 => Ok(Self::Fd(Some(number))),
                _ => Err(AddressError::Format(text.to_owned())),
            },
            _ => Err(AddressError::Format(text.to_owned())),
        }
    }
}

fn tcp(rest: &str) -> Option<Address> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@', ' ']) {
        return None;
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']')?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some(""))?)
        }
        None => rest.split_once(':').unwrap_or((rest, "")),
    };
    let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
    Some(Address::Tcp { host: host.to_owned(), port })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => {
                let bracket = host.contains(':');
                f.write_str("tcp://")?;
                if bracket { write!(f, "[{host}]") } else { f.write_str(host) }?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Self::Fd(None) => f.write_str("fd://"),
            Self::Fd(Some(number)) => write!(f, "fd://{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip_and_bad_ones_are_refused() {
        for text in [
            "unix:///a/b.sock",
            "tcp://0.0.0.0:2375",
            "tcp://[::1]:1",
            "tcp://host",
            "fd://",
            "fd://3",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("".parse::<Address>().unwrap().to_string(), "unix:///run/gantry/gantry.sock");
        assert_eq!("tcp://".parse(), Ok(Address::Tcp { host: String::new(), port: None }));
        for bad in [
            "/a",
            "a:1",
            "unix://a",
            "tcp://h:x",
            "tcp://h:99999",
            "tcp://h/p",
            "fd://1",
            "npipe:////./x",
            "tcp://[::1",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
