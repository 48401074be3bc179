//! Why the table was not read or changed.

use sys::netlink::NetlinkError;

/// Why the table was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// No netfilter socket.
    #[error("cannot talk to the kernel's packet filter")]
    Open(#[source] NetlinkError),
    /// A transaction was refused; nothing of it is in force.
    #[error("cannot {operation} in nftables table {table}")]
    Change {
        /// What was to be done.
        operation: &'static str,
        /// Where.
        table: Box<str>,
        /// Why.
        source: NetlinkError,
    },
    /// Elements cannot be listed.
    #[error("cannot list the ports in nftables table {table}")]
    List {
        /// Where.
        table: Box<str>,
        /// Why.
        source: NetlinkError,
    },
    /// Tracked connections cannot be listed or deleted.
    #[error("cannot {operation} tracked connections")]
    Conntrack {
        /// `list` or `delete`.
        operation: &'static str,
        /// Why.
        source: NetlinkError,
    },
    /// A text is no table name.
    #[error("invalid nftables table name {0:?}: letters, digits, '_', '-' and '.' are expected")]
    Name(String),
}

impl FirewallError {
    /// Whether the kernel says that the table or its map is not there: somebody flushed it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Change { source, .. } | Self::List { source, .. } => {
                source.errno() == Some(rustix::io::Errno::NOENT)
            }
            _ => false,
        }
    }
}
