//! Why a link operation failed.

use std::{io, path::PathBuf};

use sys::netlink::NetlinkError;

/// Why a link operation failed.
#[derive(Debug, thiserror::Error)]
pub enum NetdevError {
    /// No rtnetlink socket, or it failed.
    #[error("cannot talk to the kernel's network configuration")]
    Open(#[source] NetlinkError),
    /// Links, addresses or routes cannot be listed.
    #[error("cannot list {what}")]
    List {
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: NetlinkError,
    },
    /// A link cannot be made.
    #[error("cannot make {kind} link {name}")]
    Create {
        /// `bridge` or `veth`.
        kind: &'static str,
        /// Its name.
        name: LinkText,
        /// Why.
        source: NetlinkError,
    },
    /// A link, its addresses or its routes cannot be changed.
    #[error("cannot configure link {name}")]
    Configure {
        /// Its name.
        name: LinkText,
        /// Why.
        source: NetlinkError,
    },
    /// A link cannot be removed.
    #[error("cannot remove link {name}")]
    Remove {
        /// Its name.
        name: LinkText,
        /// Why.
        source: NetlinkError,
    },
    /// A link has the bridge's name and is not a bridge.
    #[error("link {name} exists and is a {found}, not a bridge")]
    NotABridge {
        /// The name.
        name: LinkText,
        /// What it is.
        found: String,
    },
    /// A text is no link name.
    #[error(
        "invalid link name {0:?}: 1 to 15 characters without '/', ':' and white space are expected"
    )]
    Name(String),
    /// A kernel setting cannot be read or written.
    #[error("cannot set {path}")]
    Sysctl {
        /// Below /proc/sys.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A network namespace cannot be made or joined.
    #[error("cannot {operation} network namespace")]
    Namespace {
        /// `make` or `join`.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A link's name in an error.
pub type LinkText = Box<str>;

impl From<io::Error> for NetdevError {
    fn from(source: io::Error) -> Self {
        Self::Namespace { operation: "make", source }
    }
}
