//! Which ports of the host are published, and the choice of free ones.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    ops::RangeInclusive,
};

use firewall::Protocol;
use rustix::io::Errno;

use crate::{HostPorts, PortBinding, PortError, PortRequest, error::BindFailure, hold::Hold};

/// What Linux has in /proc/sys/net/ipv4/ip_local_port_range if nobody changed it.
const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

type Key = (Protocol, u16);

/// All ports that this engine publishes, each with the socket that holds it.
#[derive(Debug)]
pub(crate) struct PortAllocator {
    /// `None` holds nothing: another program took the port while the engine was away.
    held: HashMap<Key, Vec<(Ipv4Addr, Option<Hold>)>>,
    ephemeral: RangeInclusive<u16>,
    next: u16,
    default_ip: Ipv4Addr,
}

impl PortAllocator {
    pub(crate) fn new(default_ip: Ipv4Addr) -> Self {
        let ephemeral = netdev::sysctl::get("net/ipv4/ip_local_port_range")
            .and_then(|text| parse_range(&text))
            .unwrap_or(EPHEMERAL);
        let next = *ephemeral.start();
        Self { held: HashMap::new(), ephemeral, next, default_ip }
    }

    /// Takes a port for each request, all or none.
    pub(crate) fn reserve(
        &mut self,
        requests: &[PortRequest],
        container: Ipv4Addr,
    ) -> Result<Vec<PortBinding>, PortError> {
        let mut bindings = Vec::with_capacity(requests.len());
        for request in requests {
            match self.reserve_one(request, container) {
                Ok(binding) => bindings.push(binding),
                Err(error) => {
                    self.release(&bindings);
                    return Err(error);
                }
            }
        }
        Ok(bindings)
    }

    /// Takes ports that were published before the engine was restarted; returns those that
    /// another program has taken meanwhile. They stay published all the same.
    pub(crate) fn restore(&mut self, bindings: &[PortBinding]) -> Vec<PortBinding> {
        let mut lost = Vec::new();
        for binding in bindings {
            let hold = Hold::take(binding.protocol, binding.host_ip, binding.host_port);
            if hold.is_err() {
                lost.push(binding.clone());
            }
            self.insert(binding, hold.ok());
        }
        lost
    }

    /// Gives ports back.
    pub(crate) fn release(&mut self, bindings: &[PortBinding]) {
        for binding in bindings {
            let key = (binding.protocol, binding.host_port);
            if let Some(holders) = self.held.get_mut(&key) {
                holders.retain(|(ip, _)| *ip != binding.host_ip);
                if holders.is_empty() {
                    self.held.remove(&key);
                }
            }
        }
    }

    fn reserve_one(
        &mut self,
        request: &PortRequest,
        container: Ipv4Addr,
    ) -> Result<PortBinding, PortError> {
        let ip = match request.host_ip {
            None => self.default_ip,
            Some(IpAddr::V4(ip)) => ip,
            Some(IpAddr::V6(ip)) => return Err(PortError::Ipv6(ip)),
        };
        let wanted = Wanted { request, ip, container };
        match &request.host_ports {
            HostPorts::Fixed(port) => self.take(&wanted, *port),
            HostPorts::Range(ports) => self.take_first(&wanted, ports.clone()),
            HostPorts::Ephemeral => self.take_ephemeral(&wanted),
        }
    }

    /// Goes round the ephemeral range, so that a port is not used again at once.
    fn take_ephemeral(&mut self, wanted: &Wanted<'_>) -> Result<PortBinding, PortError> {
        let (first, last) = (*self.ephemeral.start(), *self.ephemeral.end());
        let binding = self
            .take_first(wanted, self.next..=last)
            .or_else(|_| self.take_first(wanted, first..=last))?;
        self.next = if binding.host_port >= last { first } else { binding.host_port + 1 };
        Ok(binding)
    }

    fn take_first(
        &mut self,
        wanted: &Wanted<'_>,
        ports: RangeInclusive<u16>,
    ) -> Result<PortBinding, PortError> {
        for port in ports {
            match self.take(wanted, port) {
                Err(PortError::Allocated { .. }) => {}
                Err(PortError::Bind { reason: BindFailure(Errno::ADDRINUSE), .. }) => {}
                other => return other,
            }
        }
        Err(PortError::Exhausted)
    }

    fn take(&mut self, wanted: &Wanted<'_>, port: u16) -> Result<PortBinding, PortError> {
        let Wanted { request: &PortRequest { protocol, container_port, .. }, ip, container } =
            *wanted;
        let is_taken = |(other, _): &(Ipv4Addr, Option<Hold>)| {
            *other == ip || other.is_unspecified() || ip.is_unspecified()
        };
        if self.held.get(&(protocol, port)).is_some_and(|holders| holders.iter().any(is_taken)) {
            return Err(PortError::Allocated { ip, port });
        }
        let hold = Hold::take(protocol, ip, port).map_err(|error| PortError::Bind {
            ip,
            port,
            target: SocketAddrV4::new(container, container_port),
            protocol,
            reason: BindFailure(error),
        })?;
        let binding = PortBinding { protocol, container_port, host_ip: ip, host_port: port };
        self.insert(&binding, Some(hold));
        Ok(binding)
    }

    fn insert(&mut self, binding: &PortBinding, hold: Option<Hold>) {
        let key = (binding.protocol, binding.host_port);
        self.held.entry(key).or_default().push((binding.host_ip, hold));
    }
}

#[derive(Clone, Copy)]
struct Wanted<'a> {
    request: &'a PortRequest,
    ip: Ipv4Addr,
    container: Ipv4Addr,
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_ascii_whitespace().map(|part| part.parse::<u16>().ok());
    let (first, last) = (numbers.next()??, numbers.next()??);
    (0 < first && first <= last).then_some(first..=last)
}
