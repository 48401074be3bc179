//! The rtnetlink socket, addresses and routes.

use std::net::Ipv4Addr;

use sys::netlink::{Message, Protocol, Socket, find, flag};

use crate::{
    NetdevError, Subnet,
    wire::{
        AF_INET, IFA_ADDRESS, IFA_BROADCAST, IFA_LOCAL, RTA_DST, RTA_GATEWAY, RTA_OIF, RTM_DELADDR,
        RTM_GETADDR, RTM_GETROUTE, RTM_NEWADDR, RTM_NEWROUTE, ifaddrmsg, rtmsg, u32_at,
    },
};

/// A connection to the network configuration of one namespace.
#[derive(Debug)]
pub struct RouteSocket {
    pub(crate) netlink: Socket,
}

impl RouteSocket {
    /// Opens a connection to the calling thread's namespace.
    ///
    /// # Errors
    /// [`NetdevError::Open`].
    pub fn open() -> Result<Self, NetdevError> {
        Ok(Self { netlink: Socket::open(Protocol::Route).map_err(NetdevError::Open)? })
    }

    /// Lists the IPv4 addresses of the link with number `index`, or of all links.
    ///
    /// # Errors
    /// [`NetdevError::List`].
    pub fn addresses(&mut self, index: Option<u32>) -> Result<Vec<Subnet>, NetdevError> {
        let replies = self
            .netlink
            .dump(Message::new(RTM_GETADDR, 0, &ifaddrmsg(0, 0)))
            .map_err(|source| NetdevError::List { what: "addresses", source })?;
        let parse = |body: &[u8]| {
            if index.is_some_and(|wanted| u32_at(body, 4) != Some(wanted)) {
                return None;
            }
            let address = find(body.get(8..)?, IFA_LOCAL)?.first_chunk::<4>()?;
            Subnet::new(Ipv4Addr::from(*address), *body.get(1)?)
        };
        Ok(replies.iter().filter_map(|reply| parse(&reply.body)).collect())
    }

    /// Lists the IPv4 networks that routes in any table lead to, without the default routes.
    ///
    /// # Errors
    /// [`NetdevError::List`].
    pub fn destinations(&mut self) -> Result<Vec<Subnet>, NetdevError> {
        let mut header = [0; 12];
        header[0] = AF_INET;
        let replies = self
            .netlink
            .dump(Message::new(RTM_GETROUTE, 0, &header))
            .map_err(|source| NetdevError::List { what: "routes", source })?;
        let parse = |body: &[u8]| {
            let destination = find(body.get(12..)?, RTA_DST)?.first_chunk::<4>()?;
            Subnet::new(Ipv4Addr::from(*destination), *body.get(1)?)
        };
        Ok(replies
            .iter()
            .filter_map(|reply| parse(&reply.body))
            .filter(|subnet| subnet.prefix_len() > 0)
            .collect())
    }
}

/// Builds "give link `index` this address".
pub(crate) fn new_address(index: u32, subnet: Subnet) -> Message {
    let header = ifaddrmsg(subnet.prefix_len(), index);
    let mut message = Message::new(RTM_NEWADDR, flag::ACK | flag::CREATE, &header);
    message
        .put(IFA_LOCAL, &subnet.address().octets())
        .put(IFA_ADDRESS, &subnet.address().octets())
        .put(IFA_BROADCAST, &subnet.broadcast().octets());
    message
}

/// Builds "take this address from link `index`".
pub(crate) fn old_address(index: u32, subnet: Subnet) -> Message {
    let mut message = Message::new(RTM_DELADDR, flag::ACK, &ifaddrmsg(subnet.prefix_len(), index));
    message.put(IFA_LOCAL, &subnet.address().octets());
    message
}

/// Builds "send what has no other route to `gateway` through link `index`".
pub(crate) fn default_route(index: u32, gateway: Ipv4Addr) -> Message {
    let mut message = Message::new(RTM_NEWROUTE, flag::ACK | flag::CREATE, &rtmsg(0));
    message.put_u32(RTA_OIF, index).put(RTA_GATEWAY, &gateway.octets());
    message
}
