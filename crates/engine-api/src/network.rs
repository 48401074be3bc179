//! Networks and the ends of them in containers.

use std::collections::BTreeMap;

use crate::{StringMap, null::unset, port::PortMap};

document! {
    /// One network. Lists leave `Containers` empty.
    pub struct Network {
        /// Its name.
        pub name: String = "Name",
        /// Its id.
        pub id: String = "Id",
        /// RFC 3339 with nanoseconds.
        #[serde(serialize_with = "crate::null::time")]
        pub created: String = "Created",
        /// `local`.
        pub scope: String = "Scope",
        /// `bridge`, `host`, `null`, ...
        pub driver: String = "Driver",
        /// Whether it has IPv4.
        pub enable_ipv4: bool = "EnableIPv4",
        /// Whether it has IPv6.
        pub enable_ipv6: bool = "EnableIPv6",
        /// Its address pools.
        pub ipam: Ipam = "IPAM",
        /// Without a way out.
        pub internal: bool = "Internal",
        /// Swarm: containers may join.
        pub attachable: bool = "Attachable",
        /// Swarm: the routing mesh.
        pub ingress: bool = "Ingress",
        /// Where the configuration comes from.
        pub config_from: ConfigReference = "ConfigFrom",
        /// A configuration for other networks.
        pub config_only: bool = "ConfigOnly",
        /// Ends by container id.
        pub containers: BTreeMap<String, EndpointResource> = "Containers",
        /// The driver's options.
        pub options: Option<StringMap> = "Options",
        /// Free metadata.
        pub labels: Option<StringMap> = "Labels",
        /// Swarm services on it, if asked for.
        pub services: Option<serde_json::Value> = "Services" unless "unset",
        /// How many addresses are used.
        pub status: Option<serde_json::Value> = "Status" unless "unset",
    }

    /// Another network's name.
    pub struct ConfigReference {
        /// Empty if there is none.
        pub network: String = "Network",
    }

    /// Address management.
    pub struct Ipam {
        /// `default`.
        pub driver: String = "Driver",
        /// The driver's options.
        pub options: Option<StringMap> = "Options",
        /// Pools.
        pub config: Option<Vec<IpamConfig>> = "Config",
    }

    /// One pool of addresses.
    pub struct IpamConfig {
        /// `172.20.0.0/16`.
        pub subnet: String = "Subnet" unless "unset",
        /// The part of it to give out.
        pub ip_range: String = "IPRange" unless "unset",
        /// The way out.
        pub gateway: String = "Gateway" unless "unset",
        /// Addresses in use elsewhere.
        pub auxiliary_addresses: StringMap = "AuxiliaryAddresses" unless "unset",
    }

    /// A container in a network's description.
    pub struct EndpointResource {
        /// The container's name.
        pub name: String = "Name",
        /// The endpoint's id.
        pub endpoint_id: String = "EndpointID",
        /// Of the interface.
        pub mac_address: String = "MacAddress",
        /// With prefix length.
        pub ipv4_address: String = "IPv4Address",
        /// With prefix length.
        pub ipv6_address: String = "IPv6Address",
    }

    /// The body of `POST /networks/create`.
    pub struct NetworkCreateRequest {
        /// Its name.
        pub name: String = "Name",
        /// Empty is `bridge`.
        pub driver: String = "Driver" unless "unset",
        /// `local` or `swarm`.
        pub scope: String = "Scope" unless "unset",
        /// `None` is yes.
        pub enable_ipv4: Option<bool> = "EnableIPv4" unless "unset",
        /// `None` is the engine's default.
        pub enable_ipv6: Option<bool> = "EnableIPv6" unless "unset",
        /// Address pools.
        pub ipam: Option<Ipam> = "IPAM" unless "unset",
        /// Without a way out.
        pub internal: bool = "Internal",
        /// Swarm: containers may join.
        pub attachable: bool = "Attachable",
        /// Swarm: the routing mesh.
        pub ingress: bool = "Ingress",
        /// A configuration for other networks.
        pub config_only: bool = "ConfigOnly",
        /// Where the configuration comes from.
        pub config_from: Option<ConfigReference> = "ConfigFrom" unless "unset",
        /// The driver's options.
        pub options: Option<StringMap> = "Options",
        /// Free metadata.
        pub labels: Option<StringMap> = "Labels",
    }

    /// The answer of `POST /networks/create`.
    pub struct NetworkCreateResponse {
        /// The new id.
        pub id: String = "Id",
        /// What to tell the user.
        pub warning: String = "Warning",
    }

    /// The body of `POST /networks/{id}/connect`.
    pub struct NetworkConnectRequest {
        /// Id or name.
        pub container: String = "Container",
        /// Addresses and aliases.
        pub endpoint_config: Option<EndpointSettings> = "EndpointConfig" unless "unset",
    }

    /// The body of `POST /networks/{id}/disconnect`.
    pub struct NetworkDisconnectRequest {
        /// Id or name.
        pub container: String = "Container",
        /// Also if the container is gone.
        pub force: bool = "Force",
    }

    /// The answer of `POST /networks/prune`.
    pub struct NetworkPruneReport {
        /// Names.
        pub networks_deleted: Option<Vec<String>> = "NetworksDeleted",
    }

    /// One end of a network in a container: wishes and facts.
    pub struct EndpointSettings {
        /// Wished addresses.
        pub ipam_config: Option<EndpointIpamConfig> = "IPAMConfig",
        /// `CONTAINER:ALIAS`.
        pub links: Option<Vec<String>> = "Links",
        /// Further DNS names.
        pub aliases: Option<Vec<String>> = "Aliases",
        /// Of the interface.
        pub mac_address: String = "MacAddress",
        /// The driver's options.
        pub driver_opts: Option<StringMap> = "DriverOpts",
        /// The network with the highest one has the default route.
        pub gw_priority: i64 = "GwPriority",
        /// The network.
        pub network_id: String = "NetworkID",
        /// This end.
        pub endpoint_id: String = "EndpointID",
        /// IPv4.
        pub gateway: String = "Gateway",
        /// IPv4.
        pub ip_address: String = "IPAddress",
        /// IPv4.
        pub ip_prefix_len: i64 = "IPPrefixLen",
        /// IPv6.
        pub ipv6_gateway: String = "IPv6Gateway",
        /// IPv6.
        pub global_ipv6_address: String = "GlobalIPv6Address",
        /// IPv6.
        pub global_ipv6_prefix_len: i64 = "GlobalIPv6PrefixLen",
        /// All DNS names.
        pub dns_names: Option<Vec<String>> = "DNSNames",
    }

    /// Wished addresses.
    pub struct EndpointIpamConfig {
        /// IPv4.
        pub ipv4_address: String = "IPv4Address" unless "unset",
        /// IPv6.
        pub ipv6_address: String = "IPv6Address" unless "unset",
        /// Link-local.
        pub link_local_ips: Vec<String> = "LinkLocalIPs" unless "unset",
    }

    /// The networks of a container that is created.
    pub struct NetworkingConfig {
        /// By network name or id.
        pub endpoints_config: Option<BTreeMap<String, EndpointSettings>> = "EndpointsConfig",
    }

    /// The networks of a container that exists.
    pub struct NetworkSettings {
        /// Of the network namespace.
        pub sandbox_id: String = "SandboxID",
        /// The network namespace's file.
        pub sandbox_key: String = "SandboxKey",
        /// Ports as they are published.
        pub ports: PortMap = "Ports",
        /// Ends by network name.
        pub networks: BTreeMap<String, EndpointSettings> = "Networks",
    }

    /// Facts of the default bridge's endpoint, as clients below v1.52 find them.
    pub struct LegacyNetworkSettings {
        /// Empty.
        pub bridge: String = "Bridge",
        /// False.
        pub hairpin_mode: bool = "HairpinMode",
        /// Empty.
        pub link_local_ipv6_address: String = "LinkLocalIPv6Address",
        /// Zero.
        pub link_local_ipv6_prefix_len: i64 = "LinkLocalIPv6PrefixLen",
        /// `null`.
        pub secondary_ip_addresses: Option<Vec<serde_json::Value>> = "SecondaryIPAddresses",
        /// `null`.
        pub secondary_ipv6_addresses: Option<Vec<serde_json::Value>> = "SecondaryIPv6Addresses",
        /// Of the default bridge.
        pub endpoint_id: String = "EndpointID",
        /// IPv4.
        pub gateway: String = "Gateway",
        /// IPv6.
        pub global_ipv6_address: String = "GlobalIPv6Address",
        /// IPv6.
        pub global_ipv6_prefix_len: i64 = "GlobalIPv6PrefixLen",
        /// IPv4.
        pub ip_address: String = "IPAddress",
        /// IPv4.
        pub ip_prefix_len: i64 = "IPPrefixLen",
        /// IPv6.
        pub ipv6_gateway: String = "IPv6Gateway",
        /// Of the interface.
        pub mac_address: String = "MacAddress",
    }
}
