//! The service itself: opening, connecting, disconnecting, showing.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use firewall::{Conntrack, FirewallError, Policy, Publication, Table};
use metadata::{Database, DatabaseError};
use netdev::{
    Attachment, Bridge, BridgeSpec, MacAddress, PortFlags, RouteSocket, Subnet, VethSpec, sysctl,
};
use types::{ContainerId, EndpointId};

use crate::{
    ConnectRequest, DnsOptions, Driver, Endpoint, EndpointInfo, NetworkConfig, NetworkError,
    NetworkInfo, PortBinding, PortError,
    address_pool::AddressPool,
    endpoint::Record,
    housekeeper::Housekeeper,
    info::BridgeInfo,
    port_allocator::PortAllocator,
    predefined::{self, Network},
    reconcile::LINK_PREFIX,
    resolv_conf, subnet_choice,
};

/// The networks of one engine; cheap to clone.
#[derive(Clone)]
pub struct Networks {
    shared: Arc<Shared>,
}

struct Shared {
    config: NetworkConfig,
    database: Database,
    networks: Vec<Network>,
    gateway: Subnet,
    bridge: Bridge,
    port_flags: PortFlags,
    // Locked one at a time, except that `state` may be taken while `table` is held.
    table: Mutex<Table>,
    route: Mutex<RouteSocket>,
    state: Mutex<State>,
    housekeeper: Housekeeper,
}

/// What is given out.
struct State {
    addresses: AddressPool,
    ports: PortAllocator,
    /// The rows of the database, parsed.
    records: HashMap<ContainerId, Record>,
    /// Ports that could not be held again at start.
    unheld: Vec<PortBinding>,
}

impl Networks {
    /// Makes or adopts the bridge, sets the kernel's switches, writes the table with the ports
    /// that rows name, and holds these ports again.
    ///
    /// # Errors
    /// [`NetworkError::NoSubnet`], [`NetworkError::SubnetTooSmall`], [`NetworkError::Bridge`],
    /// [`NetworkError::Firewall`], [`NetworkError::Database`].
    pub fn open(config: NetworkConfig, database: Database) -> Result<Self, NetworkError> {
        let mut route = RouteSocket::open().map_err(NetworkError::Bridge)?;
        let stored = predefined::stored_subnet(&database)?;
        let gateway = subnet_choice::choose(&mut route, &config, stored)?;
        let addresses = AddressPool::new(gateway).ok_or(NetworkError::SubnetTooSmall(gateway))?;
        let table = Table::open(config.table_name()?)?;
        let bridge = set_up_bridge(&mut route, &config, gateway).map_err(NetworkError::Bridge)?;
        let networks = predefined::ensure(&database, gateway)?;
        let ports = PortAllocator::new(config.default_host_ip);
        let mut state = State { addresses, ports, records: HashMap::new(), unheld: Vec::new() };
        state.load(&database)?;
        let shared = Shared {
            port_flags: port_flags(&config),
            housekeeper: Housekeeper::start(config.warm_sandboxes)?,
            table: Mutex::new(table),
            route: Mutex::new(route),
            state: Mutex::new(state),
            config,
            database,
            networks,
            gateway,
            bridge,
        };
        let this = Self { shared: Arc::new(shared) };
        this.rewrite_rules()?;
        Ok(this)
    }

    /// Returns a fresh network namespace with `lo` up, from the reserve if there is one.
    ///
    /// # Errors
    /// [`NetworkError::Link`].
    pub fn sandbox(&self) -> Result<OwnedFd, NetworkError> {
        match self.shared.housekeeper.take() {
            Some(ready) => Ok(ready),
            None => netdev::sandbox().map_err(NetworkError::Link),
        }
    }

    /// Connects a container: address, link, route, published ports. After an error nothing of it
    /// is left.
    ///
    /// # Errors
    /// [`NetworkError::NotFound`], [`NetworkError::Ambiguous`], [`NetworkError::NotConnectable`],
    /// [`NetworkError::EndpointExists`], [`NetworkError::NoAddress`],
    /// [`NetworkError::AddressUnavailable`], [`NetworkError::Publish`], and those of the kernel
    /// and the database.
    pub fn connect(&self, request: &ConnectRequest<'_>) -> Result<Endpoint, NetworkError> {
        let network = self.find(request.network)?;
        if network.driver != Driver::Bridge {
            return Err(NetworkError::NotConnectable(network.name.clone()));
        }
        let record = self.reserve(network, request)?;
        match self.program(&record, request) {
            Ok(()) => Ok(record.endpoint(self.shared.gateway.address())),
            Err(error) => {
                self.forget(&record);
                Err(error)
            }
        }
    }

    /// Releases all that a container has; one that has nothing is no error.
    ///
    /// # Errors
    /// [`NetworkError::Firewall`], [`NetworkError::Database`]; the container is then still
    /// connected as far as this service goes, and the call can be repeated.
    pub fn disconnect(&self, container: &ContainerId) -> Result<(), NetworkError> {
        let Some(record) = self.state().records.remove(container) else { return Ok(()) };
        let removed = self.withdraw(&record).and_then(|()| {
            self.shared
                .database
                .write(|transaction| metadata::network::delete_endpoint(transaction, &record.id))
                .map_err(NetworkError::from)
        });
        let mut state = self.state();
        if let Err(error) = removed {
            state.records.insert(container.clone(), record);
            return Err(error);
        }
        state.give_back(&record);
        drop(state);
        self.shared.housekeeper.watch(record.host_link);
        Ok(())
    }

    /// Returns a container's connection.
    #[must_use]
    pub fn endpoint(&self, container: &ContainerId) -> Option<Endpoint> {
        let state = self.state();
        Some(state.records.get(container)?.endpoint(self.shared.gateway.address()))
    }

    /// Lists all networks.
    #[must_use]
    pub fn list(&self) -> Vec<NetworkInfo> {
        self.shared.networks.iter().map(|network| self.describe(network)).collect()
    }

    /// Finds a network by id, name or the beginning of its id, in this order.
    ///
    /// # Errors
    /// [`NetworkError::NotFound`], [`NetworkError::Ambiguous`].
    pub fn get(&self, name_or_id: &str) -> Result<NetworkInfo, NetworkError> {
        self.find(name_or_id).map(|network| self.describe(network))
    }

    /// Makes a user-defined network.
    ///
    /// # Errors
    /// [`NetworkError::NotImplemented`], always: its issue is a later one.
    pub fn create(&self, _name: &str) -> Result<NetworkInfo, NetworkError> {
        Err(NetworkError::NotImplemented("creating user-defined networks"))
    }

    /// Returns the resolv.conf of a container on the default bridge: its own options over the
    /// engine's over the host's.
    #[must_use]
    pub fn resolv_conf(&self, container: &DnsOptions) -> String {
        let engine = &self.shared.config.dns;
        let or = |own: &Vec<String>, engine: &Vec<String>| {
            if own.is_empty() { engine.clone() } else { own.clone() }
        };
        let options = DnsOptions {
            servers: if container.servers.is_empty() {
                engine.servers.clone()
            } else {
                container.servers.clone()
            },
            search: or(&container.search, &engine.search),
            options: or(&container.options, &engine.options),
        };
        resolv_conf::resolv_conf(&resolv_conf::host_resolv_conf(), &options)
    }

    /// Returns the address that `host-gateway` stands for.
    #[must_use]
    pub fn host_gateway(&self) -> Ipv4Addr {
        self.shared.gateway.address()
    }

    /// Removes the table, and the bridge if this engine made it. Containers that still run lose
    /// their network; rows stay, so that a later start restores what can be restored.
    ///
    /// # Errors
    /// [`NetworkError::Firewall`], [`NetworkError::Bridge`].
    pub fn cleanup(self) -> Result<(), NetworkError> {
        self.table().delete()?;
        let mut route = self.route();
        let name = &self.shared.bridge.name;
        match route.bridge(name).map_err(NetworkError::Bridge)? {
            Some(bridge) if bridge.is_ours => route.remove_link(name).map_err(NetworkError::Bridge),
            _ => Ok(()),
        }
    }

    fn find(&self, name_or_id: &str) -> Result<&Network, NetworkError> {
        let networks = &self.shared.networks;
        let exact = networks
            .iter()
            .find(|network| network.id.as_str() == name_or_id)
            .or_else(|| networks.iter().find(|network| network.name == name_or_id));
        if let Some(network) = exact {
            return Ok(network);
        }
        let mut matching = networks.iter().filter(|network| {
            !name_or_id.is_empty() && network.id.as_str().starts_with(name_or_id)
        });
        match (matching.next(), matching.count()) {
            (Some(network), 0) => Ok(network),
            (Some(_), more) => {
                Err(NetworkError::Ambiguous { prefix: name_or_id.to_owned(), matches: more + 1 })
            }
            (None, _) => Err(NetworkError::NotFound(name_or_id.to_owned())),
        }
    }

    fn describe(&self, network: &Network) -> NetworkInfo {
        let Shared { config, gateway, bridge, .. } = &*self.shared;
        let records = self.records();
        NetworkInfo {
            id: network.id.clone(),
            name: network.name.clone(),
            driver: network.driver,
            created_at: network.created_at,
            bridge: (network.driver == Driver::Bridge).then(|| BridgeInfo {
                link: bridge.name.clone(),
                subnet: gateway.network(),
                gateway: gateway.address(),
                mtu: config.mtu,
                inter_container: config.inter_container,
                masquerade: config.masquerade,
                default_host_ip: config.default_host_ip,
            }),
            endpoints: records
                .into_iter()
                .filter(|record| record.network == network.id)
                .map(|record| EndpointInfo {
                    container: record.container,
                    name: record.name,
                    endpoint_id: record.id,
                    mac: record.mac,
                    address: record.address,
                })
                .collect(),
        }
    }

    /// Takes address and ports, in memory.
    fn reserve(
        &self,
        network: &Network,
        request: &ConnectRequest<'_>,
    ) -> Result<Record, NetworkError> {
        let mut state = self.state();
        if state.records.contains_key(request.container) {
            return Err(NetworkError::EndpointExists {
                name: request.name.to_owned(),
                network: network.name.clone(),
            });
        }
        let ip = self.reserve_address(&mut state.addresses, network, request.address)?;
        let id = EndpointId::random();
        let ports = match state.ports.reserve(request.ports, ip) {
            Ok(ports) => ports,
            Err(source) => {
                state.addresses.release(ip);
                return Err(NetworkError::Publish { name: request.name.to_owned(), id, source });
            }
        };
        let link = format!("{LINK_PREFIX}{}", &id.as_str()[..10]);
        let record = Record {
            host_link: link.parse().expect("15 characters of the alphabet"),
            interface: "eth0".parse().expect("a name that the kernel takes"),
            network: network.id.clone(),
            container: request.container.clone(),
            name: request.name.to_owned(),
            address: Subnet::new(ip, self.shared.gateway.prefix_len()).expect("at most 32"),
            mac: request.mac.unwrap_or_else(|| MacAddress::for_ipv4(ip)),
            ports,
            id,
        };
        state.records.insert(record.container.clone(), record.clone());
        Ok(record)
    }

    fn reserve_address(
        &self,
        addresses: &mut AddressPool,
        network: &Network,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr, NetworkError> {
        match wanted {
            Some(address) if addresses.claim(address) => Ok(address),
            Some(address) => {
                let subnet = self.shared.gateway.network();
                Err(NetworkError::AddressUnavailable { address, subnet })
            }
            None => addresses.allocate().ok_or_else(|| NetworkError::NoAddress {
                name: network.name.clone(),
                id: network.id.clone(),
            }),
        }
    }

    /// Writes the row and makes the kernel's objects.
    fn program(&self, record: &Record, request: &ConnectRequest<'_>) -> Result<(), NetworkError> {
        let row = record.to_row();
        self.shared
            .database
            .write(|transaction| metadata::network::insert_endpoint(transaction, &row))?;
        let spec = VethSpec {
            host: &record.host_link,
            bridge: self.shared.bridge.index,
            port: self.shared.port_flags,
            interface: &record.interface,
            mac: record.mac,
            mtu: self.shared.config.mtu,
        };
        self.route().create_pair(request.sandbox, &spec).map_err(NetworkError::Link)?;
        let finished = self.finish(record, request);
        if finished.is_err()
            && let Err(error) = self.route().remove_link(&record.host_link)
        {
            let link = &record.host_link;
            tracing::warn!(%link, %error, "link of a failed connection is left");
        }
        finished
    }

    /// What follows once the links are there: address, route, published ports.
    fn finish(&self, record: &Record, request: &ConnectRequest<'_>) -> Result<(), NetworkError> {
        let attachment =
            Attachment { address: record.address, gateway: Some(self.shared.gateway.address()) };
        netdev::configure_interface(request.sandbox, &record.interface, attachment)
            .map_err(NetworkError::Link)?;
        self.publish(record).map_err(|source| {
            let (name, id) = (record.name.clone(), record.id.clone());
            NetworkError::Publish { name, id, source: PortError::Rule(source) }
        })
    }

    fn publish(&self, record: &Record) -> Result<(), FirewallError> {
        let publications = record.publications();
        let published = self.table().publish(&publications);
        match published {
            Err(error) if error.is_missing() => self.rewrite_rules()?,
            other => other?,
        }
        self.forget_flows(&publications);
        Ok(())
    }

    fn withdraw(&self, record: &Record) -> Result<(), NetworkError> {
        let publications = record.publications();
        let withdrawn = self.table().withdraw(&publications);
        match withdrawn {
            Err(error) if error.is_missing() => self.rewrite_rules()?,
            other => other?,
        }
        self.forget_flows(&publications);
        Ok(())
    }

    /// Undoes [`Networks::reserve`] and the row.
    fn forget(&self, record: &Record) {
        let deleted = self
            .shared
            .database
            .write(|transaction| metadata::network::delete_endpoint(transaction, &record.id));
        if let Err(error) = deleted {
            // The next reconcile finds it: its container does not live.
            let error = types::error::chain(&error);
            tracing::warn!(endpoint = %record.id, %error, "row of a failed connection is left");
        }
        let mut state = self.state();
        state.records.remove(&record.container);
        state.give_back(record);
    }

    /// Stale UDP flows are a nuisance, never a reason to fail.
    fn forget_flows(&self, publications: &[Publication]) {
        if publications.iter().all(|each| each.protocol != firewall::Protocol::Udp) {
            return;
        }
        let host: Vec<_> = match self.route().addresses(None) {
            Ok(addresses) => addresses.iter().map(|subnet| subnet.address()).collect(),
            Err(error) => {
                tracing::warn!(%error, "host addresses are unknown");
                return;
            }
        };
        let forgotten = Conntrack::open().and_then(|mut each| each.forget(publications, &host));
        if let Err(error) = forgotten {
            tracing::warn!(error = %types::error::chain(&error), "stale UDP flows are left");
        }
    }

    /// Writes the whole table anew from what is recorded.
    pub(crate) fn rewrite_rules(&self) -> Result<(), FirewallError> {
        let Shared { config, gateway, bridge, .. } = &*self.shared;
        let policy = Policy {
            bridge: bridge.name.to_string(),
            subnet: (gateway.network().address(), gateway.mask()),
            masquerade: config.masquerade,
            inter_container: config.inter_container,
        };
        let mut table = self.table();
        // Read while the table is held: a port that is withdrawn meanwhile must not come back.
        let publications: Vec<_> = self.records().iter().flat_map(Record::publications).collect();
        table.replace(&policy, &publications)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.state().records.values().cloned().collect()
    }

    pub(crate) fn unheld(&self) -> Vec<PortBinding> {
        self.state().unheld.clone()
    }

    pub(crate) fn bridge_index(&self) -> u32 {
        self.shared.bridge.index
    }

    pub(crate) fn port_flags(&self) -> PortFlags {
        self.shared.port_flags
    }

    pub(crate) fn route(&self) -> MutexGuard<'_, RouteSocket> {
        self.shared.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what rows say is taken.
    fn load(&mut self, database: &Database) -> Result<(), NetworkError> {
        for row in database.read::<_, DatabaseError>(metadata::network::endpoints)? {
            let record = Record::from_row(row)?;
            // Outside the subnet since `--bip` changed: nobody else can get it, nothing to take.
            self.addresses.claim(record.address.address());
            self.addresses.resume_after(record.address.address());
            self.unheld.extend(self.ports.restore(&record.ports));
            self.records.insert(record.container.clone(), record);
        }
        Ok(())
    }

    fn give_back(&mut self, record: &Record) {
        self.addresses.release(record.address.address());
        self.ports.release(&record.ports);
    }
}

fn set_up_bridge(
    route: &mut RouteSocket,
    config: &NetworkConfig,
    gateway: Subnet,
) -> Result<Bridge, netdev::NetdevError> {
    let spec = BridgeSpec {
        name: config.bridge.clone(),
        address: gateway,
        mtu: config.mtu,
        filters_ports: !config.inter_container && netdev::has_filter(),
    };
    let bridge = route.ensure_bridge(&spec)?;
    // Lets the host reach containers from 127.0.0.1; the table's `raw` chain keeps containers
    // from the host's loopback.
    sysctl::set_link(sysctl::Family::V4, &config.bridge, "route_localnet", "1")?;
    if config.ip_forward && sysctl::set("net/ipv4/ip_forward", "1")? == sysctl::Change::Made {
        tracing::info!("net.ipv4.ip_forward switched on; it stays on when the engine ends");
    }
    Ok(bridge)
}

/// How ports behave depends on whether bridged packets pass the IP hooks (br_netfilter).
///
/// If they do, a published port leads back into the bridge without a detour by the host, so the
/// port needs hairpin mode, and `--icc=false` is the forward chain's business. If they do not,
/// only isolated ports keep containers apart.
fn port_flags(config: &NetworkConfig) -> PortFlags {
    let by_setting = sysctl::get("net/bridge/bridge-nf-call-iptables").as_deref() == Some("1");
    let by_bridge = !config.inter_container && netdev::has_filter();
    let is_filtered = by_setting || by_bridge;
    PortFlags { hairpin: is_filtered, isolated: !config.inter_container && !is_filtered }
}
