//! Making a bridge, or taking one that is there.

use sys::netlink::{Message, flag};

use crate::{
    Link, LinkName, MacAddress, NetdevError, RouteSocket, Subnet,
    route::{new_address, old_address},
    sysctl::{self, Family},
    wire::{
        AF_UNSPEC, IFF_UP, IFLA_ADDRESS, IFLA_BR_FORWARD_DELAY, IFLA_BR_NF_CALL_IPTABLES,
        IFLA_BR_STP_STATE, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND,
        IFLA_LINKINFO, IFLA_MTU, RTM_NEWLINK, ifinfomsg,
    },
};

/// Marks the bridges that were made here: one that was found is never removed.
pub(crate) const ALIAS: &str = "made by gantry";

/// The bridge that is wanted.
#[derive(Debug, Clone)]
pub struct BridgeSpec {
    /// Its name.
    pub name: LinkName,
    /// The host's address on it, the containers' gateway.
    pub address: Subnet,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Packets between its ports pass the IPv4 hooks whatever the host's setting is; needs
    /// br_netfilter ([`has_filter`]).
    pub filters_ports: bool,
}

/// Whether the kernel has br_netfilter, which shows bridged packets to the IP hooks.
#[must_use]
pub fn has_filter() -> bool {
    std::path::Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
}

/// A bridge that is there, up, and has its address.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: LinkName,
    /// Whether it was made just now, and not found.
    pub is_new: bool,
}

impl RouteSocket {
    /// Finds the bridge `name`.
    ///
    /// # Errors
    /// [`NetdevError::NotABridge`] when the name is another link's.
    pub fn bridge(&mut self, name: &LinkName) -> Result<Option<Link>, NetdevError> {
        match self.link(name)? {
            Some(link) if link.kind != "bridge" => {
                Err(NetdevError::NotABridge { name: name.text(), found: link.kind })
            }
            found => Ok(found),
        }
    }

    /// Makes the bridge that `spec` describes, or adopts the one that has its name: adds the
    /// address if it lacks it, and switches it on. One that was made here in an earlier life loses
    /// its other IPv4 addresses: they are of a `--bip` that no longer holds.
    ///
    /// A new bridge has a fixed MAC address (else it would take the lowest of its ports' and
    /// change under open connections), no spanning tree, no forwarding delay, and no IPv6.
    ///
    /// # Errors
    /// [`NetdevError::NotABridge`], [`NetdevError::Create`], [`NetdevError::Configure`].
    pub fn ensure_bridge(&mut self, spec: &BridgeSpec) -> Result<Bridge, NetdevError> {
        let (link, is_new) = match self.bridge(&spec.name)? {
            Some(link) => (link, false),
            None => (self.create_bridge(spec)?, true),
        };
        if is_new {
            // Before it is up: otherwise the kernel gives it a link-local address.
            sysctl::set_link(Family::V6, &spec.name, "disable_ipv6", "1")?;
        }
        let mut messages = Vec::new();
        let has = self.addresses(Some(link.index))?;
        if !has.contains(&spec.address) {
            messages.push(new_address(link.index, spec.address));
        }
        if link.is_ours {
            let outdated = has.iter().filter(|each| **each != spec.address);
            messages.extend(outdated.map(|each| old_address(link.index, *each)));
        }
        let up = ifinfomsg(AF_UNSPEC, link.index, IFF_UP, IFF_UP);
        let mut switch_on = Message::new(RTM_NEWLINK, flag::ACK, &up);
        if is_new {
            switch_on.put(IFLA_IFALIAS, ALIAS.as_bytes());
        }
        if spec.filters_ports {
            switch_on.nest(IFLA_LINKINFO, |info| {
                info.put_text(IFLA_INFO_KIND, "bridge").nest(IFLA_INFO_DATA, |data| {
                    data.put(IFLA_BR_NF_CALL_IPTABLES, &[1]);
                });
            });
        }
        messages.push(switch_on);
        self.netlink
            .transact(messages)
            .map_err(|source| NetdevError::Configure { name: spec.name.text(), source })?;
        Ok(Bridge { index: link.index, name: spec.name.clone(), is_new })
    }

    fn create_bridge(&mut self, spec: &BridgeSpec) -> Result<Link, NetdevError> {
        let flags = flag::ACK | flag::CREATE | flag::EXCLUSIVE;
        let mut message = Message::new(RTM_NEWLINK, flags, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
        message
            .put_text(IFLA_IFNAME, spec.name.as_str())
            .put(IFLA_ADDRESS, &MacAddress::for_ipv4(spec.address.address()).octets())
            .put_u32(IFLA_MTU, spec.mtu)
            .nest(IFLA_LINKINFO, |info| {
                info.put_text(IFLA_INFO_KIND, "bridge").nest(IFLA_INFO_DATA, |data| {
                    data.put_u32(IFLA_BR_FORWARD_DELAY, 0).put_u32(IFLA_BR_STP_STATE, 0);
                });
            });
        let fail = |source| NetdevError::Create { kind: "bridge", name: spec.name.text(), source };
        self.netlink.transact(vec![message]).map_err(fail)?;
        self.link(&spec.name)?.ok_or_else(|| fail(sys::netlink::NetlinkError::Malformed))
    }
}
