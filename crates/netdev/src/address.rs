//! IPv4 subnets.

use std::{fmt, net::Ipv4Addr, str::FromStr};

/// Why a text is not an IPv4 address with prefix length.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid CIDR address: {0}")]
pub struct SubnetError(pub String);

/// An IPv4 address and the length of its network's prefix; the address may be a host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Subnet {
    /// Joins `address` and `prefix_len`; `None` when the latter is over 32.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        (prefix_len <= 32).then_some(Self { address, prefix_len })
    }

    /// Returns the address as written, host bits included.
    #[must_use]
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    /// Returns the prefix length in bits.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Returns the same network with the host bits cleared.
    #[must_use]
    pub fn network(self) -> Self {
        Self { address: Ipv4Addr::from_bits(self.address.to_bits() & self.mask_bits()), ..self }
    }

    /// Returns the network mask.
    #[must_use]
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask_bits())
    }

    /// Returns the broadcast address: all host bits set.
    #[must_use]
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask_bits())
    }

    /// Whether `address` lies in this network.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & self.mask_bits() == 0
    }

    /// Whether the two networks share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let wider = self.mask_bits() & other.mask_bits();
        (self.address.to_bits() ^ other.address.to_bits()) & wider == 0
    }

    fn mask_bits(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix_len)).unwrap_or(0)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let parse = || {
            let (address, prefix_len) = text.split_once('/')?;
            Self::new(address.parse().ok()?, prefix_len.parse().ok()?)
        };
        parse().ok_or_else(|| SubnetError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic() {
        let subnet: Subnet = "172.18.3.1/16".parse().unwrap();
        assert_eq!(subnet.network().to_string(), "172.18.0.0/16");
        assert_eq!(subnet.broadcast(), Ipv4Addr::new(172, 18, 255, 255));
        assert_eq!(subnet.mask(), Ipv4Addr::new(255, 255, 0, 0));
        assert!(subnet.contains(Ipv4Addr::new(172, 18, 0, 9)));
        assert!(!subnet.contains(Ipv4Addr::new(172, 19, 0, 9)));
        assert!(subnet.overlaps("172.16.0.0/12".parse().unwrap()));
        assert!(subnet.overlaps("172.18.200.0/24".parse().unwrap()));
        assert!(!subnet.overlaps("172.19.0.0/16".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Subnet>().unwrap().overlaps(subnet));
        for bad in ["", "1.2.3.4", "1.2.3.4/33", "1.2.3/8", "::1/64"] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }
}
