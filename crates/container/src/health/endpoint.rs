//! Where a probe without a command goes: an address in the container's own network.
//!
//! Names are not resolved: the engine sees another resolver than the container. Without a host it
//! is the container's loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::ContainerError;

/// The path, and the service of a gRPC probe, are bounded.
const MAX_TEXT_BYTES: usize = 2048;

/// What an HTTP probe asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// Where.
    pub address: SocketAddr,
    /// As the server is to see it.
    pub host: String,
    /// Path and query.
    pub path: String,
}

/// What a gRPC probe asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcTarget {
    /// Where.
    pub address: SocketAddr,
    /// The service; empty is the server as a whole.
    pub service: String,
}

impl HttpTarget {
    /// `http://[HOST][:PORT][/PATH]`.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`].
    pub fn parse(url: &str) -> Result<Self, ContainerError> {
        let rest = url.strip_prefix("http://").ok_or_else(|| {
            invalid("HTTP", url, "it begins with http:// (https is not built: use CMD)")
        })?;
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(split);
        let is_clean = path.len() <= MAX_TEXT_BYTES && path.bytes().all(|b| b.is_ascii_graphic());
        if !is_clean {
            return Err(invalid("HTTP", url, "the path is too long or has blanks"));
        }
        let address = address(authority, Some(80)).map_err(|why| invalid("HTTP", url, why))?;
        let path = match path.as_bytes().first() {
            Some(b'/') => path.to_owned(),
            _ => format!("/{path}"),
        };
        let host = match authority.starts_with(':') || authority.is_empty() {
            true => format!("localhost:{}", address.port()),
            false => authority.to_owned(),
        };
        Ok(Self { address, host, path })
    }
}

impl GrpcTarget {
    /// `[HOST]:PORT[/SERVICE]`.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`].
    pub fn parse(text: &str) -> Result<Self, ContainerError> {
        let (authority, service) = text.split_once('/').unwrap_or((text, ""));
        if service.len() > MAX_TEXT_BYTES {
            return Err(invalid("GRPC", text, "the service is too long"));
        }
        let address = address(authority, None).map_err(|why| invalid("GRPC", text, why))?;
        Ok(Self { address, service: service.to_owned() })
    }
}

/// The address of a TCP probe: `[HOST]:PORT`.
///
/// # Errors
/// [`ContainerError::Invalid`].
pub fn tcp_address(text: &str) -> Result<SocketAddr, ContainerError> {
    let text = text.strip_prefix("tcp://").unwrap_or(text);
    address(text, None).map_err(|why| invalid("TCP", text, why))
}

fn invalid(kind: &str, text: &str, why: &str) -> ContainerError {
    ContainerError::Invalid(format!("invalid {kind} healthcheck {text:?}: {why}"))
}

fn address(authority: &str, default_port: Option<u16>) -> Result<SocketAddr, &'static str> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colon of an IPv6 address in brackets is not the port's.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0),
        None => default_port,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let ip = match bare {
        "" | "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ip => ip.parse().ok(),
    };
    Ok(SocketAddr::new(
        ip.ok_or("the host is an address, localhost or nothing")?,
        port.ok_or("a port is missing or none")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let parse = |url: &str| {
            HttpTarget::parse(url).map(|t| (t.address.to_string(), t.host, t.path)).ok()
        };
        let of = |a: &str, h: &str, p: &str| Some((a.to_owned(), h.to_owned(), p.to_owned()));
        assert_eq!(
            parse("http://:8080/health?x=1"),
            of("127.0.0.1:8080", "localhost:8080", "/health?x=1")
        );
        assert_eq!(parse("http://localhost"), of("127.0.0.1:80", "localhost", "/"));
        assert_eq!(parse("http://[::1]:8/a"), of("[::1]:8", "[::1]:8", "/a"));
        assert_eq!(parse("http://10.0.0.1?q"), of("10.0.0.1:80", "10.0.0.1", "/?q"));
        for bad in ["https://x/", "http://db/", "http://:0/", "http://:8/a b", "http://:x/", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(tcp_address(":5432").unwrap().to_string(), "127.0.0.1:5432");
        assert_eq!(tcp_address("tcp://[::1]:1").unwrap().to_string(), "[::1]:1");
        assert!(tcp_address("localhost").is_err());
        let grpc = GrpcTarget::parse(":9/a.B").unwrap();
        assert_eq!((grpc.address.port(), grpc.service.as_str()), (9, "a.B"));
    }
}
