//! A published port as an element of one of the two maps.
//!
//! ```text
//! published_host: ip(4) proto(1)+0(3) port(2)+0(2)  ->  ip(4) port(2)+0(2)
//! published_any:        proto(1)+0(3) port(2)+0(2)  ->  ip(4) port(2)+0(2)
//! ```

use std::net::{Ipv4Addr, SocketAddrV4};

use sys::netlink::{Message, attributes, find};

use crate::{
    Protocol, Publication,
    wire::{DATA_VALUE, LIST_ELEM, element},
};

/// Elements per message: the list is one attribute, whose length has 16 bits.
pub(crate) const PER_MESSAGE: usize = 500;

/// One of the two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Map {
    /// For one address of the host.
    Host,
    /// For all of them.
    Any,
}

impl Map {
    pub(crate) const ALL: [Self; 2] = [Self::Host, Self::Any];

    pub(crate) fn of(publication: &Publication) -> Self {
        if publication.host_ip.is_unspecified() { Self::Any } else { Self::Host }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "published_host",
            Self::Any => "published_any",
        }
    }
}

/// Whether an element's data is written too: to delete one, its key suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Whole,
}

/// Writes the body of a message about elements of one map.
pub(crate) fn write(
    message: &mut Message,
    table: &str,
    map: Map,
    (publications, part): (&[Publication], Part),
) {
    message.put_text(element::LIST_TABLE, table).put_text(element::LIST_SET, map.name()).nest(
        element::LIST_ELEMENTS,
        |list| {
            for publication in publications {
                list.nest(LIST_ELEM, |item| {
                    item.nest(element::KEY, |key| {
                        key.put(DATA_VALUE, &encode_key(map, publication));
                    });
                    if part == Part::Whole {
                        item.nest(element::DATA, |data| {
                            data.put(DATA_VALUE, &encode_target(publication.target));
                        });
                    }
                });
            }
        },
    );
}

/// Reads the elements in the body of one answer.
pub(crate) fn read(body: &[u8], map: Map) -> Vec<Publication> {
    let list = body.get(4..).and_then(|rest| find(rest, element::LIST_ELEMENTS));
    attributes(list.unwrap_or_default())
        .filter_map(|(_, item)| {
            let key = find(find(item, element::KEY)?, DATA_VALUE)?;
            let target = find(find(item, element::DATA)?, DATA_VALUE)?;
            decode(map, key, target)
        })
        .collect()
}

fn encode_key(map: Map, publication: &Publication) -> Vec<u8> {
    let mut key = Vec::with_capacity(12);
    if map == Map::Host {
        key.extend_from_slice(&publication.host_ip.octets());
    }
    key.extend_from_slice(&[publication.protocol.number(), 0, 0, 0]);
    key.extend_from_slice(&publication.host_port.to_be_bytes());
    key.extend_from_slice(&[0; 2]);
    key
}

fn encode_target(target: SocketAddrV4) -> [u8; 8] {
    let [a, b, c, d] = target.ip().octets();
    let [high, low] = target.port().to_be_bytes();
    [a, b, c, d, high, low, 0, 0]
}

fn decode(map: Map, key: &[u8], target: &[u8]) -> Option<Publication> {
    let (host_ip, rest) = match map {
        Map::Host => key.split_first_chunk::<4>().map(|(ip, rest)| (Ipv4Addr::from(*ip), rest))?,
        Map::Any => (Ipv4Addr::UNSPECIFIED, key),
    };
    let rest = rest.first_chunk::<6>()?;
    let target = target.first_chunk::<6>()?;
    Some(Publication {
        protocol: Protocol::from_number(rest[0])?,
        host_ip,
        host_port: u16::from_be_bytes([rest[4], rest[5]]),
        target: SocketAddrV4::new(
            Ipv4Addr::new(target[0], target[1], target[2], target[3]),
            u16::from_be_bytes([target[4], target[5]]),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for host_ip in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
            let publication = Publication {
                protocol: Protocol::Udp,
                host_ip,
                host_port: 5353,
                target: "172.18.0.2:53".parse().unwrap(),
            };
            let map = Map::of(&publication);
            let mut message = Message::new(0, 0, &[2, 0, 0, 0]);
            write(&mut message, "t", map, (&[publication], Part::Whole));
            assert_eq!(read(&message.bytes()[16..], map), [publication]);
        }
    }
}
