//! Links, bridges, addresses and routes over rtnetlink.
//!
//! Synchronous: the kernel does the work inside the system call. One [`RouteSocket`] serves one
//! network namespace (the one of the thread that opened it); what happens inside a container's
//! namespace runs on a thread of `sys::netns`.
//!
//! Refuses: names that the kernel would cut (over 15 bytes), bridges of that name that are
//! something else. Starts no helper program.
//!
//! Source: rtnetlink(7), include/uapi/linux/{rtnetlink,if_link,if_addr}.h.

mod address;
mod bridge;
mod error;
mod link;
mod mac;
mod route;
mod sandbox;
pub mod sysctl;
mod veth;
mod wire;

pub use address::{Subnet, SubnetError};
pub use bridge::{Bridge, BridgeSpec, has_filter};
pub use error::NetdevError;
pub use link::{Link, LinkName};
pub use mac::{MacAddress, MacError};
pub use route::RouteSocket;
pub use sandbox::sandbox;
pub use veth::{Attachment, PortFlags, VethSpec, configure_interface};
