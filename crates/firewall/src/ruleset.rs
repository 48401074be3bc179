//! What the table consists of.

use std::net::Ipv4Addr;

use sys::netlink::flag;

use crate::{
    batch::Batch,
    element::Map,
    expression::{Field, Relation, Rule, Side},
    wire::{NEWCHAIN, NEWRULE, NEWSET, NF_ACCEPT, NF_DROP, chain, set},
};

/// What the rules depend on.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The bridge's link name.
    pub bridge: String,
    /// The containers' network: address and mask.
    pub subnet: (Ipv4Addr, Ipv4Addr),
    /// Whether packets to the outside get the host's address (`--ip-masq`).
    pub masquerade: bool,
    /// Whether containers reach each other directly (`--icc`).
    pub inter_container: bool,
}

const LOOPBACK: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(127, 0, 0, 0), Ipv4Addr::new(255, 0, 0, 0));

/// Connection states (`NF_CT_STATE_BIT`).
const ESTABLISHED_OR_RELATED: u32 = 1 << 1 | 1 << 2;

/// A chain that the kernel calls.
struct Base {
    name: &'static str,
    kind: &'static str,
    hook: u32,
    priority: i32,
}

const RAW: Base = Base { name: "raw", kind: "filter", hook: 0, priority: -300 };
const PREROUTING: Base = Base { name: "prerouting", kind: "nat", hook: 0, priority: -100 };
const OUTPUT: Base = Base { name: "output", kind: "nat", hook: 3, priority: -100 };
const POSTROUTING: Base = Base { name: "postrouting", kind: "nat", hook: 4, priority: 100 };
const FORWARD: Base = Base { name: "forward", kind: "filter", hook: 2, priority: 0 };

/// Adds maps, chains and rules of an empty table to `batch`.
pub(crate) fn write(batch: &mut Batch, table: &str, policy: &Policy) {
    for (id, map) in Map::ALL.into_iter().enumerate() {
        write_map(batch, table, map, id as u32 + 1);
    }
    for base in [&RAW, &PREROUTING, &OUTPUT, &POSTROUTING, &FORWARD] {
        write_chain(batch, table, base);
    }
    let mut rules = Rules { batch, table };
    rules.martians(policy);
    rules.translation();
    rules.masquerading(policy);
    rules.forwarding(policy);
}

fn write_map(batch: &mut Batch, table: &str, map: Map, id: u32) {
    // nft(8)'s type numbers, six bits each; the kernel only stores them for listings.
    const IPV4_ADDR: u32 = 7;
    const INET_PROTO: u32 = 12;
    const INET_SERVICE: u32 = 13;
    let (key_type, key_length) = match map {
        Map::Host => (IPV4_ADDR << 12 | INET_PROTO << 6 | INET_SERVICE, 12),
        Map::Any => (INET_PROTO << 6 | INET_SERVICE, 8),
    };
    batch.add(NEWSET, flag::CREATE, |message| {
        message
            .put_text(set::TABLE, table)
            .put_text(set::NAME, map.name())
            .put_be32(set::FLAGS, set::FLAG_MAP)
            .put_be32(set::KEY_TYPE, key_type)
            .put_be32(set::KEY_LEN, key_length)
            .put_be32(set::DATA_TYPE, IPV4_ADDR << 6 | INET_SERVICE)
            .put_be32(set::DATA_LEN, 8)
            .put_be32(set::ID, id);
    });
}

fn write_chain(batch: &mut Batch, table: &str, base: &Base) {
    batch.add(NEWCHAIN, flag::CREATE, |message| {
        message
            .put_text(chain::TABLE, table)
            .put_text(chain::NAME, base.name)
            .nest(chain::HOOK, |hook| {
                hook.put_be32(chain::HOOK_NUMBER, base.hook)
                    .put(chain::HOOK_PRIORITY, &base.priority.to_be_bytes());
            })
            .put_be32(chain::POLICY, NF_ACCEPT)
            .put_text(chain::TYPE, base.kind);
    });
}

struct Rules<'a> {
    batch: &'a mut Batch,
    table: &'a str,
}

impl Rules<'_> {
    fn add(&mut self, base: &Base, body: impl FnOnce(&mut Rule<'_>)) {
        let table = self.table;
        self.batch.add(NEWRULE, flag::CREATE | flag::APPEND, |message| {
            Rule::write(message, table, base.name, body);
        });
    }

    /// `route_localnet`, which makes 127.0.0.1:PORT work, would otherwise let a container reach
    /// the host's loopback services (CVE-2020-8558 is the same mistake elsewhere).
    fn martians(&mut self, policy: &Policy) {
        for field in [Field::Source, Field::Destination] {
            self.add(&RAW, |rule| {
                rule.link(Side::In, Relation::Is, &policy.bridge)
                    .address(field, Relation::Is, LOOPBACK)
                    .verdict(NF_DROP);
            });
        }
    }

    fn translation(&mut self) {
        self.add(&PREROUTING, |rule| {
            rule.address(Field::Destination, Relation::IsNot, LOOPBACK)
                .translate_by_address(Map::Host.name());
        });
        self.add(&PREROUTING, |rule| {
            rule.address(Field::Destination, Relation::IsNot, LOOPBACK)
                .is_to_host()
                .translate_by_port(Map::Any.name());
        });
        self.add(&OUTPUT, |rule| {
            rule.translate_by_address(Map::Host.name());
        });
        self.add(&OUTPUT, |rule| {
            rule.is_to_host().translate_by_port(Map::Any.name());
        });
    }

    fn masquerading(&mut self, policy: &Policy) {
        if policy.masquerade {
            self.add(&POSTROUTING, |rule| {
                rule.address(Field::Source, Relation::Is, policy.subnet)
                    .link(Side::Out, Relation::IsNot, &policy.bridge)
                    .masquerade();
            });
        }
        // A container that reaches a published port of itself or a neighbour: the answer would
        // go straight over the bridge, from an address that was never asked.
        self.add(&POSTROUTING, |rule| {
            rule.address(Field::Source, Relation::Is, policy.subnet)
                .link(Side::Out, Relation::Is, &policy.bridge)
                .translated()
                .masquerade();
        });
        // The host itself over 127.0.0.1: no container can answer to that.
        self.add(&POSTROUTING, |rule| {
            rule.address(Field::Source, Relation::Is, LOOPBACK)
                .link(Side::Out, Relation::Is, &policy.bridge)
                .masquerade();
        });
    }

    fn forwarding(&mut self, policy: &Policy) {
        let bridge = &policy.bridge;
        self.add(&FORWARD, |rule| {
            rule.link(Side::Out, Relation::Is, bridge)
                .state(ESTABLISHED_OR_RELATED)
                .verdict(NF_ACCEPT);
        });
        self.add(&FORWARD, |rule| {
            rule.link(Side::Out, Relation::Is, bridge).translated().verdict(NF_ACCEPT);
        });
        if policy.inter_container {
            self.add(&FORWARD, |rule| {
                rule.link(Side::Out, Relation::Is, bridge)
                    .link(Side::In, Relation::Is, bridge)
                    .verdict(NF_ACCEPT);
            });
        }
        self.add(&FORWARD, |rule| {
            rule.link(Side::Out, Relation::Is, bridge).verdict(NF_DROP);
        });
    }
}
