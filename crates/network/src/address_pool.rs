//! The addresses of one network.
//!
//! Addresses are given out in turn, so that one that was just released is used again as late as
//! possible: neighbours and connection tracking may still remember its last holder.

use std::{collections::HashSet, net::Ipv4Addr};

use netdev::Subnet;

/// Free and used host addresses of a subnet.
#[derive(Debug)]
pub(crate) struct AddressPool {
    subnet: Subnet,
    used: HashSet<u32>,
    next: u32,
}

impl AddressPool {
    /// All of `gateway`'s subnet but itself; `None` when that leaves nothing.
    pub(crate) fn new(gateway: Subnet) -> Option<Self> {
        let (first, last) = bounds(gateway);
        let mut pool = Self { subnet: gateway, used: HashSet::new(), next: first };
        pool.used.insert(gateway.address().to_bits());
        (last > first).then_some(pool)
    }

    /// Takes the next free address.
    pub(crate) fn allocate(&mut self) -> Option<Ipv4Addr> {
        let (first, last) = bounds(self.subnet);
        let free = (self.next..=last)
            .chain(first..self.next)
            .find(|candidate| !self.used.contains(candidate))?;
        self.used.insert(free);
        self.next = if free == last { first } else { free + 1 };
        Some(Ipv4Addr::from_bits(free))
    }

    /// Takes `address` if it is free.
    pub(crate) fn claim(&mut self, address: Ipv4Addr) -> bool {
        let (first, last) = bounds(self.subnet);
        (first..=last).contains(&address.to_bits()) && self.used.insert(address.to_bits())
    }

    /// Gives `address` back.
    pub(crate) fn release(&mut self, address: Ipv4Addr) {
        if address != self.subnet.address() {
            self.used.remove(&address.to_bits());
        }
    }

    /// Goes on after `address`, as the engine would have without a restart.
    pub(crate) fn resume_after(&mut self, address: Ipv4Addr) {
        let (first, last) = bounds(self.subnet);
        if (first..last).contains(&address.to_bits()) {
            self.next = self.next.max(address.to_bits() + 1);
        }
    }
}

/// First and last address that a host may have.
fn bounds(subnet: Subnet) -> (u32, u32) {
    let (network, broadcast) = (subnet.network().address().to_bits(), subnet.broadcast().to_bits());
    (network.saturating_add(1), broadcast.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(text: &str) -> AddressPool {
        AddressPool::new(text.parse().unwrap()).unwrap()
    }

    fn last_octet(address: Option<Ipv4Addr>) -> Option<u8> {
        address.map(|address| address.octets()[3])
    }

    #[test]
    fn a_released_address_is_used_again_last() {
        let mut pool = pool("10.0.0.1/29"); // hosts .1 to .6, .1 the gateway
        assert_eq!(last_octet(pool.allocate()), Some(2));
        assert_eq!(last_octet(pool.allocate()), Some(3));
        pool.release(Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!(last_octet(pool.allocate()), Some(4));
        assert_eq!(last_octet(pool.allocate()), Some(5));
        assert_eq!(last_octet(pool.allocate()), Some(6));
        assert_eq!(last_octet(pool.allocate()), Some(2));
        assert_eq!(pool.allocate(), None);
    }

    #[test]
    fn a_claimed_address_is_nobody_elses() {
        let mut pool = pool("10.0.0.6/29");
        assert!(pool.claim(Ipv4Addr::new(10, 0, 0, 1)));
        assert!(!pool.claim(Ipv4Addr::new(10, 0, 0, 1)));
        for outside in [0, 6, 7, 8] {
            assert!(!pool.claim(Ipv4Addr::new(10, 0, 0, outside)), "{outside}");
        }
        pool.release(Ipv4Addr::new(10, 0, 0, 6)); // the gateway is never given away
        assert_eq!(last_octet(pool.allocate()), Some(2));
    }

    #[test]
    fn a_subnet_without_room_is_refused() {
        for small in ["10.0.0.1/32", "10.0.0.1/31"] {
            assert!(AddressPool::new(small.parse().unwrap()).is_none(), "{small}");
        }
    }
}
