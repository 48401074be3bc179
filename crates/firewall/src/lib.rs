//! The engine's own nftables table, over netlink.
//!
//! One table of family `ip` per engine; nobody else's table is read or written. A published port
//! is an *element* of a map, so adding or removing one costs the same with a thousand others:
//!
//! ```text
//! table ip NAME {
//!   map published_host { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//!   map published_any  { type             inet_proto . inet_service : ipv4_addr . inet_service }
//!   chain raw          { hook prerouting -300: from BRIDGE, to or from 127.0.0.0/8: drop }
//!   chain prerouting   { hook prerouting -100: not to 127.0.0.0/8: DNAT by the maps }
//!   chain output       { hook output -100: DNAT by the maps }
//!   chain postrouting  { hook postrouting 100: masquerade }
//!   chain forward      { hook forward 0: to BRIDGE only answers, DNATed, own containers }
//! }
//! ```
//!
//! `published_any` is asked only for destinations that are the host's own (`fib daddr type
//! local`). Loopback destinations are translated only in `output`: a packet for 127.0.0.1 that
//! comes in from outside is never one of the host's, and the port it asks for may be published
//! for the host alone.
//!
//! The table is replaced as a whole in one transaction at start (connections go on: their
//! translation lives in conntrack, not here), and changed by element from then on.
//!
//! What this cannot do: a base chain of somebody else with policy `drop` on the forward hook drops
//! what is accepted here, since nftables needs all tables to agree.
//!
//! Source: include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h, nfnetlink_conntrack.h; nft(8).

mod batch;
mod conntrack;
mod element;
mod error;
mod expression;
mod publication;
mod ruleset;
mod table;
mod wire;

pub use conntrack::Conntrack;
pub use error::FirewallError;
pub use publication::{Protocol, ProtocolError, Publication};
pub use ruleset::Policy;
pub use table::{Table, TableName};
