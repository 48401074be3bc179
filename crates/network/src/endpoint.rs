//! A container's connection to a network.

use std::{net::Ipv4Addr, os::fd::BorrowedFd};

use metadata::network::{EndpointRow, PortRow};
use netdev::{LinkName, MacAddress, Subnet};
use types::{ContainerId, EndpointId, NetworkId};

use crate::{NetworkError, PortBinding, PortRequest};

/// What [`crate::Networks::connect`] is asked for.
#[derive(Debug, Clone)]
pub struct ConnectRequest<'a> {
    /// Who.
    pub container: &'a ContainerId,
    /// Its name, for error texts and listings.
    pub name: &'a str,
    /// Its network namespace.
    pub sandbox: BorrowedFd<'a>,
    /// The network's name or id.
    pub network: &'a str,
    /// A fixed address (`--ip`).
    pub address: Option<Ipv4Addr>,
    /// A fixed Ethernet address (`--mac-address`).
    pub mac: Option<MacAddress>,
    /// What to publish.
    pub ports: &'a [PortRequest],
}

/// A connection as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The network.
    pub network: NetworkId,
    /// This connection.
    pub endpoint_id: EndpointId,
    /// The link in the container.
    pub interface: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Length of the network's prefix, bits.
    pub prefix_len: u8,
    /// Where the default route leads.
    pub gateway: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: MacAddress,
    /// Published ports in the order of the request.
    pub ports: Vec<PortBinding>,
}

/// A container that runs, for [`crate::Networks::reconcile`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveEndpoint {
    /// Which.
    pub container: ContainerId,
}

/// What the service remembers of a connection: the row, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: EndpointId,
    pub(crate) network: NetworkId,
    pub(crate) container: ContainerId,
    pub(crate) name: String,
    pub(crate) interface: LinkName,
    pub(crate) host_link: LinkName,
    pub(crate) address: Subnet,
    pub(crate) mac: MacAddress,
    pub(crate) ports: Vec<PortBinding>,
}

impl Record {
    pub(crate) fn publications(&self) -> Vec<firewall::Publication> {
        self.ports.iter().map(|port| port.publication(self.address.address())).collect()
    }

    pub(crate) fn endpoint(&self, gateway: Ipv4Addr) -> Endpoint {
        Endpoint {
            network: self.network.clone(),
            endpoint_id: self.id.clone(),
            interface: self.interface.to_string(),
            ip: self.address.address(),
            prefix_len: self.address.prefix_len(),
            gateway,
            mac: self.mac,
            ports: self.ports.clone(),
        }
    }

    pub(crate) fn to_row(&self) -> EndpointRow {
        EndpointRow {
            id: self.id.clone(),
            network_id: self.network.clone(),
            container_id: self.container.clone(),
            name: self.name.clone(),
            interface: self.interface.to_string(),
            host_link: self.host_link.to_string(),
            address: self.address.to_string(),
            mac: self.mac.to_string(),
            ports: self
                .ports
                .iter()
                .map(|port| PortRow {
                    protocol: port.protocol.to_string(),
                    container_port: port.container_port,
                    host_ip: port.host_ip.to_string(),
                    host_port: port.host_port,
                })
                .collect(),
        }
    }

    pub(crate) fn from_row(row: EndpointRow) -> Result<Self, NetworkError> {
        let ports = row.ports.iter().map(|port| {
            Ok(PortBinding {
                protocol: parse("protocol", &port.protocol)?,
                container_port: port.container_port,
                host_ip: parse("host address", &port.host_ip)?,
                host_port: port.host_port,
            })
        });
        Ok(Self {
            ports: ports.collect::<Result<_, NetworkError>>()?,
            interface: parse("link name", &row.interface)?,
            host_link: parse("link name", &row.host_link)?,
            address: parse("address", &row.address)?,
            mac: parse("MAC address", &row.mac)?,
            id: row.id,
            network: row.network_id,
            container: row.container_id,
            name: row.name,
        })
    }
}

/// Parses a stored text.
pub(crate) fn parse<T: std::str::FromStr>(
    what: &'static str,
    text: &str,
) -> Result<T, NetworkError> {
    text.parse().map_err(|_| NetworkError::Damaged { what, text: text.to_owned() })
}
