//! The default bridge's address when nobody chose one.

use std::net::Ipv4Addr;

use netdev::{RouteSocket, Subnet};

use crate::{NetworkConfig, NetworkError};

/// Chooses, in this order: `--bip`; the address that the bridge has; the one it had when the
/// engine last ran, if the host still has no other use for it; the first part of the pools that
/// no route of the host leads to.
pub(crate) fn choose(
    route: &mut RouteSocket,
    config: &NetworkConfig,
    stored: Option<Subnet>,
) -> Result<Subnet, NetworkError> {
    if let Some(bip) = config.bip {
        return Ok(bip);
    }
    if let Some(link) = route.bridge(&config.bridge).map_err(NetworkError::Bridge)? {
        let has = route.addresses(Some(link.index)).map_err(NetworkError::Bridge)?;
        if let Some(address) = stored.filter(|stored| has.contains(stored)).or(has.first().copied())
        {
            return Ok(address);
        }
    }
    let mut taken = route.destinations().map_err(NetworkError::Bridge)?;
    taken.extend(route.addresses(None).map_err(NetworkError::Bridge)?);
    let is_free = |subnet: &Subnet| !taken.iter().any(|other| other.overlaps(*subnet));
    stored
        .filter(is_free)
        .or_else(|| candidates(&config.address_pools).find(is_free))
        .ok_or(NetworkError::NoSubnet)
}

/// Every part of every pool, as its first host address.
fn candidates(pools: &[(Subnet, u8)]) -> impl Iterator<Item = Subnet> {
    pools.iter().flat_map(|(pool, prefix_len)| {
        let parts = 1u32.checked_shl(u32::from(prefix_len.saturating_sub(pool.prefix_len())));
        let size = 1u32.checked_shl(32 - u32::from(*prefix_len)).unwrap_or(0);
        let base = pool.network().address().to_bits();
        (0..parts.unwrap_or(0)).filter_map(move |part| {
            let gateway = base.checked_add(part.checked_mul(size)?)?.checked_add(1)?;
            Subnet::new(Ipv4Addr::from_bits(gateway), *prefix_len)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_pools_in_order() {
        let all: Vec<_> = candidates(&NetworkConfig::default().address_pools)
            .map(|subnet| subnet.to_string())
            .collect();
        assert_eq!(all.len(), 15 + 16);
        assert_eq!(all[0], "172.17.0.1/16");
        assert_eq!(all[14], "172.31.0.1/16");
        assert_eq!(all[15], "192.168.0.1/20");
        assert_eq!(all[30], "192.168.240.1/20");
    }
}
