//! Networks: addresses, published ports, and the kernel's links and rules behind them.
//!
//! [`Networks`] is synchronous and thread-safe. A call takes about a millisecond, but waits for
//! the kernel's network lock, so async callers use `spawn_blocking`.
//!
//! # Invariants
//! - The row is written before the kernel's objects are made and deleted after they are gone.
//! - A published port is held by a socket of this process for as long as it is published, so that
//!   no other program on the host gets a port whose packets go elsewhere.
//! - A failed [`Networks::connect`] leaves nothing: no row, address, port, link or rule.
//! - A link of a container that ended dies with the container's namespace; one whose namespace
//!   lives on is removed in the background.
//!
//! # What is refused
//! User-defined networks, IPv6 host addresses and SCTP are not built yet, and say so. Ports are
//! published on IPv4 only: no binding on `[::]` is reported, since there is none.
//!
//! Docker's behaviour is the specification (Engine API v1.55; docs.docker.com/engine/network).

mod address_pool;
mod config;
mod endpoint;
mod error;
mod hold;
mod hosts;
mod housekeeper;
mod info;
mod port;
mod port_allocator;
mod predefined;
mod reconcile;
mod resolv_conf;
mod service;
mod subnet_choice;

pub use config::{DnsOptions, NetworkConfig};
pub use endpoint::{ConnectRequest, Endpoint, LiveEndpoint};
pub use error::{BindFailure, NetworkError, PortError};
pub use firewall::{Protocol, ProtocolError, TableName};
pub use hosts::{ExtraHost, ExtraHostError, HostTarget, HostsFile};
pub use info::{BridgeInfo, Driver, EndpointInfo, NetworkInfo};
pub use netdev::{LinkName, MacAddress, Subnet};
pub use port::{HostPorts, HostPortsError, PortBinding, PortRequest};
pub use reconcile::Reconciled;
pub use resolv_conf::{host_resolv_conf, resolv_conf};
pub use service::Networks;
