//! Networks as they are shown.

use std::net::Ipv4Addr;

use netdev::{LinkName, MacAddress, Subnet};
use types::{ContainerId, EndpointId, NetworkId};

/// What makes a network work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// A bridge of this host.
    Bridge,
    /// The host's own network.
    Host,
    /// Nothing but `lo`.
    Null,
}

impl Driver {
    /// Returns Docker's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

/// A network and who is on it.
#[derive(Debug, Clone)]
pub struct NetworkInfo {
    /// Its id, the same after a restart.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// What makes it work.
    pub driver: Driver,
    /// Seconds since the epoch.
    pub created_at: i64,
    /// What only a bridge has.
    pub bridge: Option<BridgeInfo>,
    /// Connected containers.
    pub endpoints: Vec<EndpointInfo>,
}

/// The settings of a bridge network.
#[derive(Debug, Clone)]
pub struct BridgeInfo {
    /// The bridge's link.
    pub link: LinkName,
    /// The network, host bits clear.
    pub subnet: Subnet,
    /// The host's address on it.
    pub gateway: Ipv4Addr,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Whether containers reach each other directly.
    pub inter_container: bool,
    /// Whether packets to the outside get the host's address.
    pub masquerade: bool,
    /// Where a port is published that names no host address.
    pub default_host_ip: Ipv4Addr,
}

/// One container on a network.
#[derive(Debug, Clone)]
pub struct EndpointInfo {
    /// Which container.
    pub container: ContainerId,
    /// Its name when it was connected.
    pub name: String,
    /// The connection.
    pub endpoint_id: EndpointId,
    /// Its Ethernet address.
    pub mac: MacAddress,
    /// Its address and network.
    pub address: Subnet,
}
