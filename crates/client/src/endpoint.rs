//! Where the engine is: `unix://PATH`, `tcp://HOST:PORT`, `ssh://[USER@]HOST[:PORT][/PATH]`.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::ClientError;

/// The port of an engine without TLS when none is given.
const PLAIN_PORT: u16 = 2375;

/// A parsed address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// TCP; with TLS when the client is given TLS files.
    Tcp {
        /// Host name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Prefix put before every path, without a trailing slash.
        prefix: String,
    },
    /// Through the system's `ssh`.
    Ssh(SshTarget),
}

/// The parts of an `ssh://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshTarget {
    /// Login name.
    pub user: Option<String>,
    /// Host name or alias of the ssh configuration.
    pub host: String,
    /// Port.
    pub port: Option<u16>,
    /// The engine's socket on the far side, if not its default.
    pub socket: Option<String>,
}

impl FromStr for Endpoint {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let bad = || ClientError::Endpoint(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        match scheme {
            "unix" if !rest.is_empty() => Ok(Self::Unix(PathBuf::from(rest))),
            "tcp" | "http" | "https" => parse_tcp(rest).ok_or_else(bad),
            "ssh" => parse_ssh(text, rest).map(Self::Ssh),
            _ => Err(bad()),
        }
    }
}

fn parse_tcp(rest: &str) -> Option<Endpoint> {
    let (authority, prefix) = match rest.find('/') {
        Some(at) => (&rest[..at], rest[at..].trim_end_matches('/')),
        None => (rest, ""),
    };
    let (host, port) = split_port(authority)?;
    (!host.is_empty()).then(|| Endpoint::Tcp {
        host: host.to_owned(),
        port: port.unwrap_or(PLAIN_PORT),
        prefix: prefix.to_owned(),
    })
}

/// Splits `host:port`, `[v6]:port` and bare hosts.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if let Some(inner) = authority.strip_prefix('[') {
        let (host, after) = inner.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

/// The parts become arguments of `ssh`, so none may look like an option.
fn parse_ssh(text: &str, rest: &str) -> Result<SshTarget, ClientError> {
    let bad = || ClientError::SshUrl(text.to_owned());
    let (authority, path) = match rest.find('/') {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, ""),
    };
    let (user, address) = match authority.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, authority),
    };
    let (host, port) = split_port(address).ok_or_else(bad)?;
    let is_word = |t: &str| {
        !t.is_empty()
            && !t.starts_with('-')
            && t.chars().all(|c| c.is_ascii_alphanumeric() || "._-:%".contains(c))
    };
    if !is_word(host) || user.is_some_and(|u| !is_word(u)) {
        return Err(bad());
    }
    let socket = match path.trim_end_matches('/') {
        "" => None,
        path if path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) => {
            Some(path.to_owned())
        }
        _ => return Err(bad()),
    };
    Ok(SshTarget { user: user.map(Into::into), host: host.to_owned(), port, socket })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port, prefix } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}{prefix}")
            }
            Self::Tcp { host, port, prefix } => write!(f, "tcp://{host}:{port}{prefix}"),
            Self::Ssh(target) => {
                f.write_str("ssh://")?;
                if let Some(user) = &target.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&target.host)?;
                if let Some(port) = target.port {
                    write!(f, ":{port}")?;
                }
                f.write_str(target.socket.as_deref().unwrap_or(""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_and_printed_alike() {
        for text in [
            "unix:///run/gantry/gantry.sock",
            "tcp://10.0.0.1:2376",
            "tcp://[::1]:2376/base",
            "ssh://me@host:2222/run/x.sock",
            "ssh://host",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://h".parse::<Endpoint>().unwrap().to_string(), "tcp://h:2375");
    }

    #[test]
    fn hostile_and_unknown_addresses_are_refused() {
        for text in [
            "",
            "nope",
            "npipe://x",
            "unix://",
            "tcp://",
            "tcp://h:x",
            "ssh://-oProxyCommand=x",
            "ssh://-l@h",
            "ssh://h/a b",
            "ssh://a;b",
            "ssh://",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
