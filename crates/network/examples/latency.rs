//! Prints what a container's network costs: `cargo run --release --example latency`, as root.
//!
//! Works in a network namespace of its own; nothing is asserted.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use gantry_network::{ConnectRequest, HostPorts, NetworkConfig, Networks, PortRequest, Protocol};
use metadata::Database;
use types::ContainerId;

fn main() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let ((), ()) = sys::netns::create(|| -> io::Result<()> {
        let database = Database::open(&dir.path().join("engine.db")).map_err(io::Error::other)?;
        let config = NetworkConfig { warm_sandboxes: 0, ..NetworkConfig::default() };
        let networks = Networks::open(config, database).map_err(io::Error::other)?;
        measure(&networks).map_err(io::Error::other)?;
        networks.cleanup().map_err(io::Error::other)
    })
    .map(|(_, done)| ((), done))?;
    Ok(())
}

fn measure(networks: &Networks) -> Result<(), gantry_network::NetworkError> {
    let mut kept: Vec<(OwnedFd, ContainerId)> = Vec::new();
    let port = PortRequest {
        protocol: Protocol::Tcp,
        container_port: 80,
        host_ip: None,
        host_ports: HostPorts::Ephemeral,
    };
    for (title, ports) in [("no port", 0), ("1 port", 1), ("10 ports", 10)] {
        let ports = vec![port.clone(); ports];
        let mut phases: [Vec<Duration>; 3] = Default::default();
        for _ in 0..50 {
            let started = Instant::now();
            let sandbox = networks.sandbox()?;
            phases[0].push(started.elapsed());
            let id = ContainerId::random();
            let started = Instant::now();
            networks.connect(&request(&id, &sandbox, &ports))?;
            phases[1].push(started.elapsed());
            let started = Instant::now();
            networks.disconnect(&id)?;
            phases[2].push(started.elapsed());
        }
        let [sandbox, connect, disconnect] = phases.map(median);
        println!("{title}: sandbox {sandbox}, connect {connect}, disconnect {disconnect}");
    }
    let thousand = vec![port.clone(); 1000];
    let (sandbox, id) = (networks.sandbox()?, ContainerId::random());
    networks.connect(&request(&id, &sandbox, &thousand))?;
    kept.push((sandbox, id));
    let mut connects = Vec::new();
    for _ in 0..50 {
        let (sandbox, id) = (networks.sandbox()?, ContainerId::random());
        let started = Instant::now();
        networks.connect(&request(&id, &sandbox, std::slice::from_ref(&port)))?;
        connects.push(started.elapsed());
        kept.push((sandbox, id));
    }
    println!("1 port beside 1000 published: connect {}", median(connects));
    Ok(())
}

fn request<'a>(
    id: &'a ContainerId,
    sandbox: &'a OwnedFd,
    ports: &'a [PortRequest],
) -> ConnectRequest<'a> {
    ConnectRequest {
        container: id,
        name: "bench",
        sandbox: sandbox.as_fd(),
        network: "bridge",
        address: None,
        mac: None,
        ports,
    }
}

/// Renders the median and, after a slash, the best: the kernel's network lock is shared with
/// whatever else the machine does.
fn median(mut durations: Vec<Duration>) -> String {
    durations.sort_unstable();
    format!("{:?}/{:?}", durations[durations.len() / 2], durations[0])
}
