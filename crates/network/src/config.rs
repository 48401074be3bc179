//! How the engine's network is set up.

use std::net::{IpAddr, Ipv4Addr};

use firewall::TableName;
use netdev::{LinkName, Subnet};

use crate::NetworkError;

/// The bridge of an engine that was not told another.
const DEFAULT_BRIDGE: &str = "gantry0";

/// The settings of the default bridge and of what all networks share.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// `--bridge`: made if it is not there.
    pub bridge: LinkName,
    /// `--bip`: the bridge's address; else the one it has, the one it had, or the first free of
    /// `address_pools`.
    pub bip: Option<Subnet>,
    /// `--mtu`, bytes.
    pub mtu: u32,
    /// `--icc`: containers reach each other directly.
    pub inter_container: bool,
    /// `--ip-forward`: switches the host's forwarding on.
    pub ip_forward: bool,
    /// `--ip-masq`: packets to the outside get the host's address.
    pub masquerade: bool,
    /// `--ip`: where a port is published that names no host address.
    pub default_host_ip: Ipv4Addr,
    /// `--dns`, `--dns-search`, `--dns-opt`.
    pub dns: DnsOptions,
    /// The nftables table; by default `gantry`, or `gantry-BRIDGE` for another bridge.
    pub table: Option<TableName>,
    /// `--default-address-pool`: a network and the prefix length of its parts.
    pub address_pools: Vec<(Subnet, u8)>,
    /// Network namespaces that are kept ready.
    pub warm_sandboxes: usize,
}

/// What goes into a container's resolv.conf instead of the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsOptions {
    /// Name servers; empty: the host's.
    pub servers: Vec<IpAddr>,
    /// Search domains; empty: the host's; a single `.`: none.
    pub search: Vec<String>,
    /// Resolver options; empty: the host's.
    pub options: Vec<String>,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            bridge: DEFAULT_BRIDGE.parse().expect("a constant that the kernel takes"),
            bip: None,
            mtu: 1500,
            inter_container: true,
            ip_forward: true,
            masquerade: true,
            default_host_ip: Ipv4Addr::UNSPECIFIED,
            dns: DnsOptions::default(),
            table: None,
            address_pools: docker_pools(),
            warm_sandboxes: 2,
        }
    }
}

impl NetworkConfig {
    /// Returns the name of the table that this engine owns.
    ///
    /// # Errors
    /// When the bridge's name has characters that nft(8) could not read back.
    pub fn table_name(&self) -> Result<TableName, NetworkError> {
        if let Some(table) = &self.table {
            return Ok(table.clone());
        }
        let name = match self.bridge.as_str() {
            DEFAULT_BRIDGE => "gantry".to_owned(),
            other => format!("gantry-{other}"),
        };
        Ok(name.parse()?)
    }
}

/// Docker's default local pools: 172.17 to 172.31 by /16, then 192.168 by /20.
fn docker_pools() -> Vec<(Subnet, u8)> {
    let subnet = |address, prefix_len| Subnet::new(address, prefix_len).expect("at most 32");
    let mut pools: Vec<_> =
        (17..32).map(|part| (subnet(Ipv4Addr::new(172, part, 0, 0), 16), 16)).collect();
    pools.push((subnet(Ipv4Addr::new(192, 168, 0, 0), 16), 20));
    pools
}
