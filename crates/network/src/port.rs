//! Ports as they are asked for, and as they are published.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    ops::RangeInclusive,
    str::FromStr,
};

use firewall::{Protocol, Publication};

/// Which port of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPorts {
    /// Any free one of the host's ephemeral range.
    Ephemeral,
    /// This one.
    Fixed(u16),
    /// The first free one of these.
    Range(RangeInclusive<u16>),
}

/// Why a text names no host port.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid port specification: {0:?}")]
pub struct HostPortsError(pub String);

impl FromStr for HostPorts {
    type Err = HostPortsError;

    /// Reads a `HostPort` of the API: empty or `0`, a number, or `FIRST-LAST`.
    fn from_str(text: &str) -> Result<Self, HostPortsError> {
        let number = |part: &str| {
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u16>().ok()).flatten()
        };
        let parse = || match text.split_once('-') {
            None if text.is_empty() => Some(Self::Ephemeral),
            None => Some(match number(text)? {
                0 => Self::Ephemeral,
                port => Self::Fixed(port),
            }),
            Some((first, last)) => match (number(first)?, number(last)?) {
                (0, _) => None,
                (first, last) if first == last => Some(Self::Fixed(first)),
                (first, last) => (first < last).then_some(Self::Range(first..=last)),
            },
        };
        parse().ok_or_else(|| HostPortsError(text.to_owned()))
    }
}

/// One `-p`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRequest {
    /// Which protocol.
    pub protocol: Protocol,
    /// In the container.
    pub container_port: u16,
    /// The host's address; without one, the engine's default (all of IPv4).
    pub host_ip: Option<IpAddr>,
    /// On the host.
    pub host_ports: HostPorts,
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortBinding {
    /// Which protocol.
    pub protocol: Protocol,
    /// In the container.
    pub container_port: u16,
    /// The host's address; 0.0.0.0: each IPv4 address it has.
    pub host_ip: Ipv4Addr,
    /// On the host.
    pub host_port: u16,
}

impl PortBinding {
    /// Says what the firewall is to do.
    pub(crate) fn publication(&self, container: Ipv4Addr) -> Publication {
        Publication {
            protocol: self.protocol,
            host_ip: self.host_ip,
            host_port: self.host_port,
            target: SocketAddrV4::new(container, self.container_port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_ports_of_the_api() {
        assert_eq!("".parse(), Ok(HostPorts::Ephemeral));
        assert_eq!("0".parse(), Ok(HostPorts::Ephemeral));
        assert_eq!("8080".parse(), Ok(HostPorts::Fixed(8080)));
        assert_eq!("8000-8010".parse(), Ok(HostPorts::Range(8000..=8010)));
        assert_eq!("80-80".parse(), Ok(HostPorts::Fixed(80)));
        for bad in ["x", "-1", "65536", "10-9", "1-", "+5", "0-9", "1-2-3"] {
            assert!(bad.parse::<HostPorts>().is_err(), "{bad}");
        }
    }
}
