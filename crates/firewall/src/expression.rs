//! Rules as lists of register operations, the form in which the kernel takes them.
//!
//! Registers: four bytes each here, `R0` to `R2`. A concatenation lies in consecutive registers,
//! each part padded to four bytes; data loaded from packets stays in network byte order, data
//! from `meta`, `ct` and `fib` is in the machine's.

use std::net::Ipv4Addr;

use sys::netlink::Message;

use crate::wire::{DATA_VALUE, DATA_VERDICT, LIST_ELEM, VERDICT_CODE, rule};

/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;
/// `NFT_REG32_00` and its successors.
const R0: u32 = 8;
const R1: u32 = 9;
const R2: u32 = 10;

const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;

/// Which end of a forwarded packet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    In,
    Out,
}

/// Equal, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Relation {
    Is,
    IsNot,
}

/// A field of the IPv4 header.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field {
    Source,
    Destination,
}

/// The expressions of one rule, written into a message.
pub(crate) struct Rule<'a> {
    message: &'a mut Message,
}

impl Rule<'_> {
    /// Builds the message body of a rule at the end of `chain`.
    pub(crate) fn write(
        message: &mut Message,
        table: &str,
        chain: &str,
        body: impl FnOnce(&mut Rule<'_>),
    ) {
        message.put_text(rule::TABLE, table).put_text(rule::CHAIN, chain).nest(
            rule::EXPRESSIONS,
            |message| {
                body(&mut Rule { message });
            },
        );
    }

    /// Goes on if the packet's link is (not) `name`.
    pub(crate) fn link(&mut self, side: Side, relation: Relation, name: &str) -> &mut Self {
        let key = match side {
            Side::In => 6,  // NFT_META_IIFNAME
            Side::Out => 7, // NFT_META_OIFNAME
        };
        let mut padded = [0; 16];
        let length = name.len().min(15);
        padded[..length].copy_from_slice(&name.as_bytes()[..length]);
        self.meta(key, R0).compare(relation, &padded)
    }

    /// Goes on if an address of the packet is (not) in a network.
    pub(crate) fn address(
        &mut self,
        field: Field,
        relation: Relation,
        (network, mask): (Ipv4Addr, Ipv4Addr),
    ) -> &mut Self {
        self.load_address(field, R0).mask(&mask.octets()).compare(relation, &network.octets())
    }

    /// Goes on if the destination is an address of this host.
    pub(crate) fn is_to_host(&mut self) -> &mut Self {
        const RTN_LOCAL: u32 = 2;
        self.expression("fib", |data| {
            data.put_be32(1, R0) // destination register
                .put_be32(2, 3) // NFT_FIB_RESULT_ADDRTYPE
                .put_be32(3, 2); // NFTA_FIB_F_DADDR
        })
        .compare(Relation::Is, &RTN_LOCAL.to_ne_bytes())
    }

    /// Goes on if the connection is in one of the states in `bits`.
    pub(crate) fn state(&mut self, bits: u32) -> &mut Self {
        self.tracked(0, bits)
    }

    /// Goes on if the connection's destination was translated.
    pub(crate) fn translated(&mut self) -> &mut Self {
        const IPS_DST_NAT: u32 = 1 << 5;
        self.tracked(2, IPS_DST_NAT)
    }

    /// Translates the destination to what `map` has for address, protocol and port.
    pub(crate) fn translate_by_address(&mut self, map: &str) -> &mut Self {
        self.load_address(Field::Destination, R0).meta(L4PROTO, R1).load_port(R2).look_up(map)
    }

    /// Translates the destination to what `map` has for protocol and port.
    pub(crate) fn translate_by_port(&mut self, map: &str) -> &mut Self {
        self.meta(L4PROTO, R0).load_port(R1).look_up(map)
    }

    /// Gives the packet the address of the link by which it leaves.
    pub(crate) fn masquerade(&mut self) -> &mut Self {
        self.expression("masq", |_| {})
    }

    /// Ends with a verdict.
    pub(crate) fn verdict(&mut self, code: u32) -> &mut Self {
        self.expression("immediate", |data| {
            data.put_be32(1, VERDICT).nest(2, |value| {
                value.nest(DATA_VERDICT, |verdict| {
                    verdict.put_be32(VERDICT_CODE, code);
                });
            });
        })
    }

    fn tracked(&mut self, key: u32, bits: u32) -> &mut Self {
        self.expression("ct", |data| {
            data.put_be32(1, R0).put_be32(2, key);
        })
        .mask(&bits.to_ne_bytes())
        .compare(Relation::IsNot, &[0; 4])
    }

    fn meta(&mut self, key: u32, register: u32) -> &mut Self {
        self.expression("meta", |data| {
            data.put_be32(1, register).put_be32(2, key);
        })
    }

    fn load_address(&mut self, field: Field, register: u32) -> &mut Self {
        const NETWORK_HEADER: u32 = 1;
        let offset = match field {
            Field::Source => 12,
            Field::Destination => 16,
        };
        self.payload(register, NETWORK_HEADER, offset, 4)
    }

    fn load_port(&mut self, register: u32) -> &mut Self {
        const TRANSPORT_HEADER: u32 = 2;
        self.payload(register, TRANSPORT_HEADER, 2, 2)
    }

    fn payload(&mut self, register: u32, base: u32, offset: u32, length: u32) -> &mut Self {
        self.expression("payload", |data| {
            data.put_be32(1, register).put_be32(2, base).put_be32(3, offset).put_be32(4, length);
        })
    }

    fn mask(&mut self, mask: &[u8; 4]) -> &mut Self {
        self.expression("bitwise", |data| {
            data.put_be32(1, R0)
                .put_be32(2, R0)
                .put_be32(3, 4)
                .nest(4, |value| {
                    value.put(DATA_VALUE, mask);
                })
                .nest(5, |value| {
                    value.put(DATA_VALUE, &[0; 4]);
                });
        })
    }

    fn compare(&mut self, relation: Relation, value: &[u8]) -> &mut Self {
        self.expression("cmp", |data| {
            data.put_be32(1, R0).put_be32(2, relation as u32).nest(3, |data| {
                data.put(DATA_VALUE, value);
            });
        })
    }

    /// Looks the key at `R0` up; goes on with address and port in `R0` and `R1` if it is there.
    fn look_up(&mut self, map: &str) -> &mut Self {
        const NF_NAT_DESTINATION: u32 = 1;
        self.expression("lookup", |data| {
            data.put_text(1, map).put_be32(2, R0).put_be32(3, R0);
        })
        .expression("nat", |data| {
            data.put_be32(1, NF_NAT_DESTINATION)
                .put_be32(2, u32::from(crate::wire::NFPROTO_IPV4))
                .put_be32(3, R0)
                .put_be32(5, R1)
                .put_be32(7, NF_NAT_RANGE_PROTO_SPECIFIED);
        })
    }

    fn expression(&mut self, name: &str, body: impl FnOnce(&mut Message)) -> &mut Self {
        self.message.nest(LIST_ELEM, |element| {
            element.put_text(EXPR_NAME, name).nest(EXPR_DATA, body);
        });
        self
    }
}

/// `NFT_META_L4PROTO`.
const L4PROTO: u32 = 16;
/// The translation has a port, not only an address.
const NF_NAT_RANGE_PROTO_SPECIFIED: u32 = 2;
