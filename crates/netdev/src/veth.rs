//! Joining a namespace to a bridge.

use std::{
    net::Ipv4Addr,
    os::fd::{AsRawFd, BorrowedFd},
};

use sys::{
    netlink::{Message, NetlinkError, flag},
    netns,
};

use crate::{
    LinkName, MacAddress, NetdevError, RouteSocket, Subnet,
    route::{default_route, new_address},
    wire::{
        AF_INET6, AF_UNSPEC, IFF_UP, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_BRPORT_ISOLATED,
        IFLA_BRPORT_MODE, IFLA_IFNAME, IFLA_INET6_ADDR_GEN_MODE, IFLA_INFO_DATA, IFLA_INFO_KIND,
        IFLA_INFO_SLAVE_DATA, IFLA_INFO_SLAVE_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU,
        IFLA_NET_NS_FD, IFLA_NUM_RX_QUEUES, IFLA_NUM_TX_QUEUES, RTM_NEWLINK, VETH_INFO_PEER,
        ifinfomsg,
    },
};

/// How a bridge treats the frames of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortFlags {
    /// A frame may leave by the port that it came in by. Needed for a container that reaches
    /// itself through a published port when br_netfilter rewrites addresses inside the bridge.
    pub hairpin: bool,
    /// No frames from and to other isolated ports; the host is still reached.
    pub isolated: bool,
}

/// A pair of links: one end is a port of a bridge, the other a namespace's interface.
#[derive(Debug, Clone)]
pub struct VethSpec<'a> {
    /// The bridge's end, in this namespace.
    pub host: &'a LinkName,
    /// The bridge.
    pub bridge: u32,
    /// How the bridge treats it.
    pub port: PortFlags,
    /// The other end's name in its namespace.
    pub interface: &'a LinkName,
    /// Its Ethernet address.
    pub mac: MacAddress,
    /// Largest packet, bytes; both ends.
    pub mtu: u32,
}

/// What the interface gets inside its namespace.
#[derive(Debug, Clone, Copy)]
pub struct Attachment {
    /// Address and network.
    pub address: Subnet,
    /// Where the default route leads, if this interface has it.
    pub gateway: Option<Ipv4Addr>,
}

impl RouteSocket {
    /// Makes the pair, with the far end born in `namespace` under its final name. After a failure
    /// there is no pair.
    ///
    /// # Errors
    /// [`NetdevError::Create`].
    pub fn create_pair(
        &mut self,
        namespace: BorrowedFd<'_>,
        spec: &VethSpec<'_>,
    ) -> Result<(), NetdevError> {
        let messages =
            vec![new_pair(namespace, spec), as_port(spec.host, spec.port), switched_on(spec.host)];
        let Err(source) = self.netlink.transact(messages) else { return Ok(()) };
        // Only what the first message made is there to be removed.
        if !matches!(source, NetlinkError::Refused { index: 0, .. })
            && let Err(error) = self.remove_link(spec.host)
        {
            // The first error is the one to tell; a pair that stays dies with its namespace.
            tracing::warn!(link = %spec.host, %error, "link of a failed connection is left");
        }
        Err(NetdevError::Create { kind: "veth", name: spec.host.text(), source })
    }

    /// Makes the link `host` a port of the bridge again, after that was made anew.
    ///
    /// # Errors
    /// [`NetdevError::Configure`].
    pub fn rejoin(
        &mut self,
        host: &LinkName,
        bridge: u32,
        port: PortFlags,
    ) -> Result<(), NetdevError> {
        let mut join = Message::new(RTM_NEWLINK, flag::ACK, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
        join.put_text(IFLA_IFNAME, host.as_str()).put_u32(IFLA_MASTER, bridge);
        self.netlink
            .transact(vec![join, as_port(host, port)])
            .map_err(|source| NetdevError::Configure { name: host.text(), source })
    }
}

/// Builds the message that makes both ends and joins the bridge.
///
/// One queue each: the kernel would make as many as there are processors, for a quarter of the
/// whole cost, and a veth pair sends without taking its queue's lock anyway.
///
/// The peer could not be switched on here: at that moment it has no other end yet, and the kernel
/// answers ENOTCONN.
fn new_pair(namespace: BorrowedFd<'_>, spec: &VethSpec<'_>) -> Message {
    let down = ifinfomsg(AF_UNSPEC, 0, 0, 0);
    let mut message = Message::new(RTM_NEWLINK, flag::ACK | flag::CREATE | flag::EXCLUSIVE, &down);
    message
        .put_text(IFLA_IFNAME, spec.host.as_str())
        .put_u32(IFLA_NUM_TX_QUEUES, 1)
        .put_u32(IFLA_NUM_RX_QUEUES, 1)
        .put_u32(IFLA_MTU, spec.mtu)
        .put_u32(IFLA_MASTER, spec.bridge)
        .nest(IFLA_LINKINFO, |info| {
            info.put_text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |peer| {
                    peer.raw(&down)
                        .put_text(IFLA_IFNAME, spec.interface.as_str())
                        .put_u32(IFLA_NUM_TX_QUEUES, 1)
                        .put_u32(IFLA_NUM_RX_QUEUES, 1)
                        .put_u32(IFLA_MTU, spec.mtu)
                        .put(IFLA_ADDRESS, &spec.mac.octets())
                        .put(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
                });
            });
        });
    message
}

/// Builds "treat the host's end as a port": no IPv6 address of its own (before it is up: the
/// kernel adds one then), and the port's flags.
fn as_port(host: &LinkName, flags: PortFlags) -> Message {
    const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
    let mut message = Message::new(RTM_NEWLINK, flag::ACK, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
    message
        .put_text(IFLA_IFNAME, host.as_str())
        .nest(IFLA_AF_SPEC, |families| {
            families.nest(AF_INET6, |six| {
                six.put(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
            });
        })
        .nest(IFLA_LINKINFO, |info| {
            info.put_text(IFLA_INFO_SLAVE_KIND, "bridge").nest(IFLA_INFO_SLAVE_DATA, |port| {
                port.put(IFLA_BRPORT_MODE, &[u8::from(flags.hairpin)])
                    .put(IFLA_BRPORT_ISOLATED, &[u8::from(flags.isolated)]);
            });
        });
    message
}

fn switched_on(host: &LinkName) -> Message {
    let up = ifinfomsg(AF_UNSPEC, 0, IFF_UP, IFF_UP);
    let mut message = Message::new(RTM_NEWLINK, flag::ACK, &up);
    message.put_text(IFLA_IFNAME, host.as_str());
    message
}

/// Gives the link `interface` of `namespace` what `attachment` says, and switches it on.
///
/// Needs no [`RouteSocket`] of the caller's namespace, so several can be set up side by side.
///
/// # Errors
/// [`NetdevError::Namespace`], [`NetdevError::Configure`].
pub fn configure_interface(
    namespace: BorrowedFd<'_>,
    interface: &LinkName,
    attachment: Attachment,
) -> Result<(), NetdevError> {
    netns::inside(namespace, || configure(interface, attachment))
        .map_err(|source| NetdevError::Namespace { operation: "join", source })?
}

fn configure(interface: &LinkName, attachment: Attachment) -> Result<(), NetdevError> {
    let mut socket = RouteSocket::open()?;
    let fail = |source| NetdevError::Configure { name: interface.text(), source };
    let link = socket.link(interface)?.ok_or_else(|| fail(NetlinkError::Malformed))?;
    let up = ifinfomsg(AF_UNSPEC, link.index, IFF_UP, IFF_UP);
    let mut messages = vec![
        new_address(link.index, attachment.address),
        Message::new(RTM_NEWLINK, flag::ACK, &up),
    ];
    messages.extend(attachment.gateway.map(|gateway| default_route(link.index, gateway)));
    socket.netlink.transact(messages).map_err(fail)
}
