//! Forgetting tracked UDP flows.
//!
//! A UDP sender that never pauses keeps its conntrack entry, and with it the translation that was
//! right when the flow began: packets would go to a container that is gone, or miss one that has
//! come. (A TCP connection ends by itself.)

use std::net::Ipv4Addr;

use rustix::io::Errno;
use sys::netlink::{Message, Protocol as NetlinkProtocol, Socket, find, flag};

use crate::{
    FirewallError, Protocol, Publication,
    wire::{CT_DELETE, CT_GET, NFPROTO_IPV4, nfgenmsg},
};

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

/// The connection tracker of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Conntrack {
    socket: Socket,
}

impl Conntrack {
    /// Connects to it.
    ///
    /// # Errors
    /// [`FirewallError::Open`].
    pub fn open() -> Result<Self, FirewallError> {
        let socket = Socket::open(NetlinkProtocol::Netfilter).map_err(FirewallError::Open)?;
        Ok(Self { socket })
    }

    /// Forgets the UDP flows that a change of `publications` makes wrong: those answered by a
    /// container's published port, and those to a published port that are answered by one of the
    /// `host_addresses` itself. TCP in the list is ignored; without UDP the kernel is not asked.
    ///
    /// Returns how many were forgotten.
    ///
    /// # Errors
    /// [`FirewallError::Conntrack`].
    pub fn forget(
        &mut self,
        publications: &[Publication],
        host_addresses: &[Ipv4Addr],
    ) -> Result<usize, FirewallError> {
        let udp: Vec<_> =
            publications.iter().filter(|each| each.protocol == Protocol::Udp).collect();
        if udp.is_empty() {
            return Ok(0);
        }
        let replies = self
            .socket
            .dump(Message::new(CT_GET, 0, &nfgenmsg(NFPROTO_IPV4)))
            .map_err(|source| FirewallError::Conntrack { operation: "list", source })?;
        let mut forgotten = 0;
        for reply in replies {
            let Some(flow) = reply.body.get(4..).and_then(Flow::parse) else { continue };
            if udp.iter().any(|publication| flow.concerns(publication, host_addresses)) {
                self.delete(&flow)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    fn delete(&mut self, flow: &Flow<'_>) -> Result<(), FirewallError> {
        let mut message = Message::new(CT_DELETE, flag::ACK, &nfgenmsg(NFPROTO_IPV4));
        message.nest(CTA_TUPLE_ORIG, |tuple| {
            // The kernel's own description of the tuple, given back as it came.
            tuple.raw(flow.original);
        });
        match self.socket.transact(vec![message]) {
            // It ended by itself meanwhile.
            Err(error) if error.errno() == Some(Errno::NOENT) => Ok(()),
            other => {
                other.map_err(|source| FirewallError::Conntrack { operation: "delete", source })
            }
        }
    }
}

/// One tracked UDP flow.
struct Flow<'a> {
    original: &'a [u8],
    original_port: u16,
    reply_source: Ipv4Addr,
    reply_port: u16,
}

impl<'a> Flow<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let original = find(body, CTA_TUPLE_ORIG)?;
        let reply = find(body, CTA_TUPLE_REPLY)?;
        let protocol = find(original, CTA_TUPLE_PROTO)?;
        if find(protocol, CTA_PROTO_NUM)? != [Protocol::Udp.number()] {
            return None;
        }
        let source = find(find(reply, CTA_TUPLE_IP)?, CTA_IP_V4_SRC)?.first_chunk::<4>()?;
        Some(Self {
            original,
            original_port: port(protocol, CTA_PROTO_DST_PORT)?,
            reply_source: Ipv4Addr::from(*source),
            reply_port: port(find(reply, CTA_TUPLE_PROTO)?, CTA_PROTO_SRC_PORT)?,
        })
    }

    fn concerns(&self, publication: &Publication, host_addresses: &[Ipv4Addr]) -> bool {
        let is_answered_by_target = self.reply_source == *publication.target.ip()
            && self.reply_port == publication.target.port();
        let is_to_host_port = self.original_port == publication.host_port
            && if publication.host_ip.is_unspecified() {
                host_addresses.contains(&self.reply_source)
            } else {
                self.reply_source == publication.host_ip
            };
        is_answered_by_target || is_to_host_port
    }
}

fn port(protocol: &[u8], kind: u16) -> Option<u16> {
    find(protocol, kind)?.first_chunk::<2>().map(|port| u16::from_be_bytes(*port))
}
