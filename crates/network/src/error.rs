//! Why a network operation failed.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use firewall::{FirewallError, Protocol};
use metadata::DatabaseError;
use netdev::NetdevError;
use types::{Classify, EndpointId, ErrorKind, NetworkId};

/// Why a network operation failed; texts are Docker's where its clients show them.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No network has that name or id.
    #[error("network {0} not found")]
    NotFound(String),
    /// A prefix fits several ids.
    #[error("network {prefix} is ambiguous ({matches} matches found based on ID prefix)")]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// How many fit.
        matches: usize,
    },
    /// Known and not built yet.
    #[error("{0} is not implemented yet")]
    NotImplemented(&'static str),
    /// `host` and `none` have no endpoints.
    #[error("containers cannot be connected to network {0}")]
    NotConnectable(String),
    /// The container is on the network already.
    #[error("endpoint with name {name} already exists in network {network}")]
    EndpointExists {
        /// The container's name.
        name: String,
        /// The network's name.
        network: String,
    },
    /// The subnet is used up.
    #[error("no available IPv4 addresses on this network's address pools: {name} ({id})")]
    NoAddress {
        /// The network's name.
        name: String,
        /// Its id.
        id: NetworkId,
    },
    /// The requested address is another container's, or not in the subnet.
    #[error("address {address} is not available in {subnet}")]
    AddressUnavailable {
        /// The request.
        address: Ipv4Addr,
        /// The network.
        subnet: netdev::Subnet,
    },
    /// Every pool overlaps with what the host routes to.
    #[error(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"
    )]
    NoSubnet,
    /// The bridge's network leaves no room for containers.
    #[error("bridge address {0} leaves no addresses for containers")]
    SubnetTooSmall(netdev::Subnet),
    /// Ports cannot be published.
    #[error("driver failed programming external connectivity on endpoint {name} ({id})")]
    Publish {
        /// The container's name.
        name: String,
        /// The endpoint.
        id: EndpointId,
        /// Why.
        source: PortError,
    },
    /// A row holds a text that does not parse.
    #[error("stored {what} {text:?} is damaged")]
    Damaged {
        /// Which column.
        what: &'static str,
        /// Its content.
        text: String,
    },
    /// The background thread did not start.
    #[error("cannot start the network housekeeper")]
    Housekeeper(#[source] io::Error),
    /// Links, addresses, routes, settings.
    #[error("cannot set up the container's link")]
    Link(#[source] NetdevError),
    /// The bridge.
    #[error("cannot set up the bridge")]
    Bridge(#[source] NetdevError),
    /// Rules.
    #[error("cannot set up packet filtering")]
    Firewall(#[from] FirewallError),
    /// Rows.
    #[error("cannot record the network's state")]
    Database(#[from] DatabaseError),
}

/// Why one port cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Another container has it.
    #[error("Bind for {ip}:{port} failed: port is already allocated")]
    Allocated {
        /// The host's address.
        ip: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// Another program has it, or the address is not the host's.
    #[error("failed to bind host port for {ip}:{port}:{target}/{protocol}: {reason}")]
    Bind {
        /// The host's address.
        ip: Ipv4Addr,
        /// The port.
        port: u16,
        /// Where it would lead.
        target: SocketAddrV4,
        /// The protocol.
        protocol: Protocol,
        /// The kernel's words, as Docker prints them.
        reason: BindFailure,
    },
    /// A range has no free port.
    #[error("all ports are allocated")]
    Exhausted,
    /// IPv6 is a later issue.
    #[error("publishing on IPv6 address {0} is not implemented yet")]
    Ipv6(std::net::Ipv6Addr),
    /// The rule was refused.
    #[error("cannot add the port to the packet filter")]
    Rule(#[source] FirewallError),
}

/// An error number with the text that the clients of Docker know (Go's, lower case).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindFailure(pub(crate) rustix::io::Errno);

impl std::fmt::Display for BindFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use rustix::io::Errno;
        match self.0 {
            Errno::ADDRINUSE => f.write_str("address already in use"),
            Errno::ADDRNOTAVAIL => f.write_str("cannot assign requested address"),
            Errno::ACCESS => f.write_str("permission denied"),
            Errno::MFILE => f.write_str("too many open files"),
            other => write!(f, "{other}"),
        }
    }
}

impl Classify for NetworkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Ambiguous { .. } | Self::NotConnectable(_) | Self::SubnetTooSmall(_) => {
                ErrorKind::InvalidArgument
            }
            Self::NotImplemented(_) => ErrorKind::NotImplemented,
            // Docker answers 403 here; its clients show the text only.
            Self::EndpointExists { .. } => ErrorKind::PermissionDenied,
            Self::AddressUnavailable { .. } => ErrorKind::Conflict,
            Self::NoAddress { .. } | Self::NoSubnet => ErrorKind::Unavailable,
            Self::Publish { source: PortError::Ipv6(_), .. } => ErrorKind::NotImplemented,
            // A port that is taken is a 500 in Docker, and its clients rely on the text.
            Self::Publish { .. }
            | Self::Housekeeper(_)
            | Self::Link(_)
            | Self::Bridge(_)
            | Self::Firewall(_) => ErrorKind::Internal,
            Self::Damaged { .. } => ErrorKind::DataLoss,
            Self::Database(error) => error.kind(),
        }
    }
}
