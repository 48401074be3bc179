//! Published ports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::null::{string_or_number, unset};

/// Bindings by container port: `"80/tcp": [{"HostIp": "", "HostPort": "8080"}]`; an exposed
/// port that is not published has `null`.
pub type PortMap = BTreeMap<String, Option<Vec<PortBinding>>>;

/// One address and port (or range) of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortBinding {
    /// Empty for all addresses.
    #[serde(rename = "HostIp", deserialize_with = "crate::null::or_default")]
    pub host_ip: String,
    /// Empty or `0` for an ephemeral port; numbers without quotes are taken too.
    #[serde(rename = "HostPort", deserialize_with = "string_or_number")]
    pub host_port: String,
}

document! {
    /// A port in a list of containers.
    pub struct PortSummary {
        /// The host's address.
        pub ip: String = "IP" unless "unset",
        /// The container's port.
        pub private_port: u16 = "PrivatePort",
        /// The host's port, if published.
        pub public_port: u16 = "PublicPort" unless "unset",
        /// `tcp`, `udp` or `sctp`.
        pub protocol: String = "Type",
    }
}
