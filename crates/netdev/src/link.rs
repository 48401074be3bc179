//! Finding, changing and removing links of any kind.

use std::{fmt, str::FromStr};

use rustix::io::Errno;
use sys::netlink::{Message, Reply, find, flag};

use crate::{
    NetdevError, RouteSocket,
    wire::{
        AF_UNSPEC, IFF_UP, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER,
        IFLA_MTU, RTM_DELLINK, RTM_GETLINK, ifinfomsg, u32_at,
    },
};

/// The longest link name: `IFNAMSIZ` without its zero.
const NAME_BYTES: usize = 15;

/// A name that the kernel takes for a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkName(Box<str>);

impl LinkName {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn text(&self) -> Box<str> {
        self.0.clone()
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LinkName {
    type Err = NetdevError;

    /// Refuses what `dev_valid_name` in the kernel refuses, and `%`, which it would number.
    fn from_str(text: &str) -> Result<Self, NetdevError> {
        let is_valid = (1..=NAME_BYTES).contains(&text.len())
            && text != "."
            && text != ".."
            && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b':' | b'%'));
        if is_valid { Ok(Self(text.into())) } else { Err(NetdevError::Name(text.to_owned())) }
    }
}

/// A link as the kernel describes it.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its number in this namespace.
    pub index: u32,
    /// Its name.
    pub name: LinkName,
    /// `bridge`, `veth`, ...; empty for hardware.
    pub kind: String,
    /// The bridge (or bond) that it is a port of.
    pub master: Option<u32>,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Whether it is switched on.
    pub is_up: bool,
    /// Whether [`RouteSocket::ensure_bridge`] made it, in this process or an earlier one.
    pub is_ours: bool,
}

impl Link {
    fn parse(reply: &Reply) -> Option<Self> {
        let attributes = reply.body.get(16..)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
        Some(Self {
            index: u32_at(&reply.body, 4)?,
            is_up: u32_at(&reply.body, 8)? & IFF_UP != 0,
            // A name made by others may be one that `LinkName` refuses; it is shown, never made.
            name: LinkName(text(find(attributes, IFLA_IFNAME)?).into()),
            kind: find(attributes, IFLA_LINKINFO)
                .and_then(|info| find(info, IFLA_INFO_KIND))
                .map(text)
                .unwrap_or_default(),
            master: find(attributes, IFLA_MASTER).and_then(|value| u32_at(value, 0)),
            is_ours: find(attributes, IFLA_IFALIAS)
                .is_some_and(|alias| text(alias) == crate::bridge::ALIAS),
            mtu: find(attributes, IFLA_MTU).and_then(|value| u32_at(value, 0)).unwrap_or_default(),
        })
    }
}

impl RouteSocket {
    /// Finds a link by name.
    ///
    /// # Errors
    /// [`NetdevError::List`] when the kernel cannot be asked; a link that is not there is `None`.
    pub fn link(&mut self, name: &LinkName) -> Result<Option<Link>, NetdevError> {
        let mut message = Message::new(RTM_GETLINK, 0, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
        message.put_text(IFLA_IFNAME, name.as_str());
        match self.netlink.request(message) {
            Ok(reply) => Ok(Link::parse(&reply)),
            Err(error) if error.errno() == Some(Errno::NODEV) => Ok(None),
            Err(source) => Err(NetdevError::List { what: "links", source }),
        }
    }

    /// Lists all links of this namespace.
    ///
    /// # Errors
    /// [`NetdevError::List`].
    pub fn links(&mut self) -> Result<Vec<Link>, NetdevError> {
        let message = Message::new(RTM_GETLINK, 0, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
        let replies = self
            .netlink
            .dump(message)
            .map_err(|source| NetdevError::List { what: "links", source })?;
        Ok(replies.iter().filter_map(Link::parse).collect())
    }

    /// Removes a link; one that is not there is no error.
    ///
    /// Waits for an RCU grace period (up to tens of milliseconds) under the kernel's one network
    /// lock: keep it off the paths that somebody waits for.
    ///
    /// # Errors
    /// [`NetdevError::Remove`].
    pub fn remove_link(&mut self, name: &LinkName) -> Result<(), NetdevError> {
        let mut message = Message::new(RTM_DELLINK, flag::ACK, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
        message.put_text(IFLA_IFNAME, name.as_str());
        match self.netlink.transact(vec![message]) {
            Err(error) if error.errno() != Some(Errno::NODEV) => {
                Err(NetdevError::Remove { name: name.text(), source: error })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_would_cut_or_number_are_refused() {
        for good in ["gantry0", "a", "exactly15chars0"] {
            assert!(good.parse::<LinkName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "veth%d", "sixteencharacter", "ä", "a:1"] {
            assert!(bad.parse::<LinkName>().is_err(), "{bad}");
        }
    }
}
