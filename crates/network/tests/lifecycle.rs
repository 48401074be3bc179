//! What is given out, given back and refused.

#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod world;

use std::{net::Ipv4Addr, os::fd::AsFd, sync::Mutex};

use gantry_network::{ConnectRequest, NetworkConfig, NetworkError, Networks, PortRequest};
use types::{Classify, ContainerId, ErrorKind, error::chain};
use world::*;

#[test]
fn a_link_whose_namespace_lives_on_is_removed() {
    on_private_host(|world| {
        let networks = world.open();
        let each = container(&networks, &[]);
        networks.disconnect(&each.id).unwrap();
        eventually("link gone", || links().iter().all(|name| !name.starts_with("gveth")));
        within(&each.namespace, || assert_eq!(links(), ["lo"]));
        // And the container can be connected again.
        connect(&networks, &each.id, each.namespace.as_fd(), &[]).unwrap();
        networks.cleanup().unwrap();
    });
}

#[test]
fn a_failed_connection_leaves_nothing() {
    on_private_host(|world| {
        let networks = world.open();
        let sandbox = networks.sandbox().unwrap();
        // The namespace has an eth0 already.
        within(&sandbox, || {
            run("ip link add eth0 type veth peer name other0");
        });
        let before = (links(), run("nft list ruleset"));
        let id = ContainerId::random();
        let error = connect(&networks, &id, sandbox.as_fd(), &[tcp("8080")]).unwrap_err();
        assert!(matches!(error, NetworkError::Link(_)), "{error:?}");
        assert_eq!((links(), run("nft list ruleset")), before);
        assert!(networks.endpoint(&id).is_none());
        // Address and port are free again.
        let web = container(&networks, &[tcp("8080")]);
        assert_eq!(web.ip(), Ipv4Addr::new(172, 17, 0, 3));
        assert!(matches!(
            connect(&networks, &web.id, sandbox.as_fd(), &[]),
            Err(NetworkError::EndpointExists { .. })
        ));
        networks.cleanup().unwrap();
    });
}

#[test]
fn fifty_at_once_get_what_is_theirs() {
    on_private_host(|world| {
        let networks = world.open();
        let all = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let each = container(&networks, &[tcp(""), udp("")]);
                    all.lock().unwrap().push(each);
                });
            }
        });
        let all = all.into_inner().unwrap();
        let count = |mut values: Vec<_>| {
            values.sort_unstable();
            values.dedup();
            values.len()
        };
        assert_eq!(count(all.iter().map(|each| each.ip().to_bits()).collect()), 50);
        assert_eq!(count(all.iter().map(|each| u32::from(each.host_port(0))).collect()), 50);
        for each in &all {
            let _server = serve(&each.namespace, "it", 80);
            assert!(ask_tcp((HOST, each.host_port(0)), PATIENCE).is_ok());
        }
        std::thread::scope(|scope| {
            for each in &all {
                scope.spawn(|| networks.disconnect(&each.id).unwrap());
            }
        });
        assert!(networks.get("bridge").unwrap().endpoints.is_empty());
        networks.cleanup().unwrap();
    });
}

#[test]
fn two_engines_share_a_host() {
    on_private_host(|world| {
        let engine = |name: &str, bip: Option<&str>| {
            let config = NetworkConfig {
                bridge: name.parse().unwrap(),
                bip: bip.map(|text| text.parse().unwrap()),
                ..config()
            };
            Networks::open(config, world.named_database(name)).unwrap()
        };
        let (one, two) = (engine("gt-one", None), engine("gt-two", Some("10.77.0.1/24")));
        let (a, b) = (
            container(&one, &[tcp("8080"), udp("8080")]),
            container(&two, &[tcp("8081"), udp("8081")]),
        );
        assert_eq!(b.ip(), Ipv4Addr::new(10, 77, 0, 2));
        // A third one avoids what the others have.
        let three = engine("gt-three", None);
        assert_ne!(three.host_gateway(), one.host_gateway());
        let (_a, _b) = (serve(&a.namespace, "a", 80), serve(&b.namespace, "b", 80));
        for address in [Ipv4Addr::LOCALHOST, HOST] {
            assert!(ask(address, 8080).starts_with("a sees"));
            assert!(ask(address, 8081).starts_with("b sees"));
        }
        // Across: published ports yes, addresses no.
        within(&a.namespace, || {
            assert!(ask(HOST, 8081).starts_with("b sees"));
            assert!(ask_tcp((b.ip(), 80), SILENCE).is_err());
        });
        // A port is the host's, whoever asks.
        let text = chain(&try_container(&two, &[tcp("8080")]).err().unwrap());
        assert!(text.ends_with("address already in use"), "{text}");
        one.cleanup().unwrap();
        three.cleanup().unwrap();
        assert!(ask(HOST, 8081).starts_with("b sees"));
        two.cleanup().unwrap();
        assert_eq!(run("nft list ruleset"), "");
    });
}

#[test]
fn a_bridge_that_was_there_is_adopted_and_stays() {
    on_private_host(|world| {
        run("ip link add br7 type bridge");
        run("ip address add 10.9.0.1/24 dev br7");
        let config = NetworkConfig { bridge: "br7".parse().unwrap(), ..config() };
        let networks = Networks::open(config.clone(), world.database()).unwrap();
        assert_eq!(container(&networks, &[]).ip(), Ipv4Addr::new(10, 9, 0, 2));
        networks.cleanup().unwrap();
        assert!(links().contains(&"br7".to_owned()));
        let taken = NetworkConfig { bridge: "up0".parse().unwrap(), ..config };
        let error = Networks::open(taken, world.database()).err().unwrap();
        assert_eq!(
            chain(&error),
            "cannot set up the bridge: link up0 exists and is a veth, not a bridge"
        );
    });
}

#[test]
fn a_changed_bip_replaces_the_bridges_address() {
    on_private_host(|world| {
        let open = |bip: &str| {
            let config = NetworkConfig { bip: Some(bip.parse().unwrap()), ..config() };
            Networks::open(config, world.database()).unwrap()
        };
        drop(open("10.1.0.1/24"));
        let networks = open("10.2.0.1/24");
        let shown = run("ip -4 -o address show dev gantry0");
        assert!(shown.contains("10.2.0.1/24") && !shown.contains("10.1.0.1"), "{shown}");
        assert_eq!(container(&networks, &[]).ip(), Ipv4Addr::new(10, 2, 0, 2));
        networks.cleanup().unwrap();
    });
}

#[test]
fn the_first_pool_that_no_route_leads_to_is_chosen() {
    on_private_host(|world| {
        run("ip address add 172.17.5.1/24 dev up0");
        run("ip route add 172.18.0.0/15 via 192.0.2.99");
        let networks = world.open();
        assert_eq!(networks.host_gateway(), Ipv4Addr::new(172, 20, 0, 1));
        networks.cleanup().unwrap();
        // The choice is remembered though the first pool is free now.
        run("ip address del 172.17.5.1/24 dev up0");
        let networks = world.open();
        assert_eq!(networks.host_gateway(), Ipv4Addr::new(172, 20, 0, 1));
        networks.cleanup().unwrap();
    });
}

#[test]
fn networks_are_found_by_name_id_and_prefix() {
    on_private_host(|world| {
        let networks = world.open();
        let names: Vec<_> = networks.list().into_iter().map(|network| network.name).collect();
        assert_eq!(names, ["bridge", "host", "none"]);
        let bridge = networks.get("bridge").unwrap();
        assert_eq!(networks.get(bridge.id.as_str()).unwrap().name, "bridge");
        assert_eq!(networks.get(bridge.id.short()).unwrap().name, "bridge");
        for missing in ["", "nope", "f".repeat(64).as_str()] {
            let error = networks.get(missing).unwrap_err();
            assert_eq!(error.to_string(), format!("network {missing} not found"));
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        assert_eq!(networks.create("mine").unwrap_err().kind(), ErrorKind::NotImplemented);
        networks.cleanup().unwrap();
    });
}

#[test]
fn requests_that_cannot_be_met_say_why() {
    on_private_host(|world| {
        let config = NetworkConfig { bip: Some("10.8.0.1/30".parse().unwrap()), ..config() };
        let networks = Networks::open(config, world.database()).unwrap();
        let six = PortRequest { host_ip: Some("::1".parse().unwrap()), ..tcp("80") };
        let error = try_container(&networks, &[six]).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotImplemented);
        let only = container(&networks, &[]);
        assert_eq!(only.ip(), Ipv4Addr::new(10, 8, 0, 2));
        let error = try_container(&networks, &[]).err().unwrap();
        assert!(matches!(error, NetworkError::NoAddress { .. }), "{error:?}");
        networks.disconnect(&only.id).unwrap();

        let (id, sandbox) = (ContainerId::random(), networks.sandbox().unwrap());
        let mut request = ConnectRequest {
            container: &id,
            name: "web",
            sandbox: sandbox.as_fd(),
            network: "host",
            address: None,
            mac: Some("02:00:00:00:00:07".parse().unwrap()),
            ports: &[],
        };
        assert!(matches!(networks.connect(&request), Err(NetworkError::NotConnectable(_))));
        request.network = "bridge";
        request.address = Some(Ipv4Addr::new(10, 8, 0, 1));
        assert!(matches!(networks.connect(&request), Err(NetworkError::AddressUnavailable { .. })));
        request.address = Some(Ipv4Addr::new(10, 8, 0, 2));
        let endpoint = networks.connect(&request).unwrap();
        assert_eq!(endpoint.mac.to_string(), "02:00:00:00:00:07");
        assert_eq!((endpoint.prefix_len, endpoint.gateway), (30, Ipv4Addr::new(10, 8, 0, 1)));
        within(&sandbox, || {
            let shown = run("ip -o link show eth0");
            assert!(shown.contains("link/ether 02:00:00:00:00:07"), "{shown}");
            assert!(run("ip route").starts_with("default via 10.8.0.1 dev eth0"));
            assert_eq!(run("ip -6 address show dev eth0"), "");
            assert!(run("ip -6 address show dev lo").contains("::1/128"));
            let read = |key| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{key}")).unwrap();
            assert_eq!(read("ip_unprivileged_port_start"), "0\n");
            assert_eq!(read("ping_group_range"), "0\t2147483647\n");
        });
        networks.cleanup().unwrap();
    });
}
