//! A fresh network namespace for a container.

use std::os::fd::OwnedFd;

use sys::{
    netlink::{Message, flag},
    netns,
};

use crate::{
    NetdevError, RouteSocket, sysctl,
    wire::{AF_UNSPEC, IFF_UP, RTM_NEWLINK, ifinfomsg},
};

/// `lo` is the first link that a namespace gets.
const LOOPBACK: u32 = 1;

/// Makes a network namespace whose `lo` is up.
///
/// Links that come later have IPv6 switched off (`net.ipv6.conf.default.disable_ipv6`), so that
/// no interface configures itself on a network that has no IPv6; `lo` keeps `::1`. As in Docker's
/// containers, every user may bind every port and send pings: the namespace's ports are nobody
/// else's.
///
/// # Errors
/// [`NetdevError::Namespace`], [`NetdevError::Configure`], [`NetdevError::Sysctl`].
pub fn sandbox() -> Result<OwnedFd, NetdevError> {
    let (namespace, ()) = netns::create(|| {
        sysctl::set("net/ipv6/conf/default/disable_ipv6", "1")?;
        sysctl::set("net/ipv4/ip_unprivileged_port_start", "0")?;
        sysctl::set("net/ipv4/ping_group_range", "0\t2147483647")?;
        let up = ifinfomsg(AF_UNSPEC, LOOPBACK, IFF_UP, IFF_UP);
        RouteSocket::open()?
            .netlink
            .transact(vec![Message::new(RTM_NEWLINK, flag::ACK, &up)])
            .map_err(|source| NetdevError::Configure { name: "lo".into(), source })
    })?;
    Ok(namespace)
}
