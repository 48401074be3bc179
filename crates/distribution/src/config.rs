//! The host's rules for registries.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use url::Url;

/// How a [`crate::Client`] behaves.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `User-Agent`.
    pub user_agent: String,
    /// Registries that may be spoken to in plain HTTP or with an unknown certificate. Loopback
    /// always may.
    pub insecure_registries: Vec<InsecureRegistry>,
    /// Asked before `docker.io` on pulls.
    pub mirrors: Vec<Url>,
    /// Directories of Docker's `certs.d` layout: `HOST[:PORT]/{*.crt,*.cert,*.key}`.
    pub certificate_dirs: Vec<PathBuf>,
    /// Trusts these certificate files too (PEM), for every registry.
    pub extra_roots: Vec<PathBuf>,
    /// Honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` as given here.
    pub proxy: ProxyConfig,
    /// To reach a host and finish the TLS handshake.
    pub connect_timeout: Duration,
    /// From request to the head of the answer, and longest silence within a body.
    pub idle_timeout: Duration,
    /// How often one call is tried again when the network fails.
    pub attempts: u32,
    /// The first pause between attempts; it doubles.
    pub backoff: Duration,
}

/// Proxies by scheme.
#[derive(Debug, Clone, Default)]
pub struct ProxyConfig {
    /// For `http` URLs.
    pub http: Option<Url>,
    /// For `https` URLs.
    pub https: Option<Url>,
    /// Hosts that are reached directly: names, `.suffixes`, addresses, CIDR blocks, `*`.
    pub direct: Vec<String>,
}

impl ProxyConfig {
    /// Reads the variables that every tool reads, upper or lower case.
    #[must_use]
    pub fn from_environment() -> Self {
        let read = |name: &str| {
            [name.to_owned(), name.to_lowercase()]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        };
        let direct = read("NO_PROXY").unwrap_or_default();
        Self {
            http: read("HTTP_PROXY").and_then(|value| proxy_url(&value)),
            https: read("HTTPS_PROXY").and_then(|value| proxy_url(&value)),
            direct: direct.split(',').map(|entry| entry.trim().to_owned()).collect(),
        }
    }
}

fn proxy_url(text: &str) -> Option<Url> {
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Url::parse(&full).ok().filter(|url| url.host_str().is_some())
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("gantry/", env!("CARGO_PKG_VERSION")).to_owned(),
            insecure_registries: Vec::new(),
            mirrors: Vec::new(),
            certificate_dirs: vec![PathBuf::from("/etc/docker/certs.d")],
            extra_roots: Vec::new(),
            proxy: ProxyConfig::default(),
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            attempts: 5,
            backoff: Duration::from_millis(500),
        }
    }
}

/// One entry of the insecure list: a host with optional port, or a block of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsecureRegistry {
    /// `host` or `host:port`.
    Host(String),
    /// `10.0.0.0/8`.
    Block {
        /// Network address.
        address: IpAddr,
        /// Leading bits that must agree.
        prefix_len: u8,
    },
}

/// Why an entry of the insecure list is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InsecureRegistryError {
    /// Has a scheme.
    #[error("insecure registry {0} should not contain '://'")]
    Scheme(String),
    /// Empty, or the block's length is off.
    #[error("insecure registry {0:?} is not valid: invalid host or CIDR block")]
    Format(String),
}

impl FromStr for InsecureRegistry {
    type Err = InsecureRegistryError;

    fn from_str(text: &str) -> Result<Self, InsecureRegistryError> {
        if text.contains("://") {
            return Err(InsecureRegistryError::Scheme(text.to_owned()));
        }
        let bad = || InsecureRegistryError::Format(text.to_owned());
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| bad())?;
            let prefix_len: u8 = bits.parse().map_err(|_| bad())?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            if prefix_len > width {
                return Err(bad());
            }
            return Ok(Self::Block { address, prefix_len });
        }
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(bad());
        }
        Ok(Self::Host(text.to_owned()))
    }
}

impl InsecureRegistry {
    fn covers(&self, authority: &str, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::Host(entry) => entry == authority || entry == host,
            Self::Block { address: network, prefix_len } => {
                address.is_some_and(|address| in_block(address, *network, *prefix_len))
            }
        }
    }
}

pub(crate) fn in_block(address: IpAddr, network: IpAddr, prefix_len: u8) -> bool {
    let (a, b, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32u32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let shift = width.saturating_sub(u32::from(prefix_len));
    a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
}

/// Splits `host[:port]`; brackets of an IPv6 address are dropped from the host.
pub(crate) fn split_authority(authority: &str) -> (&str, Option<u16>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

impl ClientConfig {
    /// Whether `authority` may be spoken to without verified TLS: loopback, and what is listed.
    #[must_use]
    pub fn is_insecure(&self, authority: &str) -> bool {
        let (host, _) = split_authority(authority);
        let address: Option<IpAddr> = host.parse().ok();
        host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.insecure_registries.iter().any(|entry| entry.covers(authority, host, address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_rules_are_dockers() {
        let config = ClientConfig {
            insecure_registries: vec![
                "hub.test:5000".parse().unwrap(),
                "plain.test".parse().unwrap(),
                "10.1.0.0/16".parse().unwrap(),
            ],
            ..ClientConfig::default()
        };
        for yes in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:5000",
            "hub.test:5000",
            "plain.test:81",
            "10.1.2.3:443",
        ] {
            assert!(config.is_insecure(yes), "{yes}");
        }
        for no in ["hub.test", "hub.test:5001", "10.2.0.1", "docker.io", "localhost.evil.test"] {
            assert!(!config.is_insecure(no), "{no}");
        }
    }

    #[test]
    fn bad_entries_are_refused() {
        assert!("http://x".parse::<InsecureRegistry>().is_err());
        assert!("10.0.0.0/33".parse::<InsecureRegistry>().is_err());
        assert!("".parse::<InsecureRegistry>().is_err());
    }
}
