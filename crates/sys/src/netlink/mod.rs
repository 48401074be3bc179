//! Netlink, synchronous: messages, attributes, requests, batches and dumps.
//!
//! The kernel runs a netlink request inside `sendto` and queues the answer before that call
//! returns, so blocking I/O loses nothing here, and several messages sent in one buffer cost one
//! system call. `netdev` (NETLINK_ROUTE) and `firewall` (NETLINK_NETFILTER) share this module;
//! what the numbers mean is theirs.
//!
//! Invariant: a [`Socket`] belongs to the network namespace of the thread that opened it, for
//! ever.
//!
//! Source: netlink(7), RFC 3549, include/uapi/linux/netlink.h.

mod attribute;
mod message;
mod socket;

pub use attribute::{Attributes, attributes, find};
pub use message::{Message, flag};
pub use socket::{NetlinkError, Protocol, Reply, Socket};
