//! Crashes, and other programs' hands on the packet filter.

#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod world;

use std::net::{Ipv4Addr, TcpListener};

use gantry_network::LiveEndpoint;
use world::*;

#[test]
fn what_lives_is_found_again_after_a_crash() {
    on_private_host(|world| {
        let networks = world.open();
        let kept = container(&networks, &[tcp("8080"), udp("8080")]);
        let gone = container(&networks, &[tcp("8081")]);
        let gone_id = gone.id.clone();
        let gateway = networks.host_gateway();
        let _server = serve(&kept.namespace, "kept", 80);
        let before = (networks.get("bridge").unwrap().id, networks.endpoint(&kept.id));
        drop(networks); // no clean-up: the kernel keeps all of it, this process holds no port
        run("nft delete table ip gantry");
        let orphan = links().into_iter().find(|name| name.starts_with("gveth")).unwrap();
        assert!(orphan.len() == 15);
        run("ip link add gveth0000000000 type veth peer name gvethpeer");
        run("ip link set gveth0000000000 master gantry0");

        let networks = world.open();
        assert_eq!(networks.host_gateway(), gateway);
        let live = [LiveEndpoint { container: kept.id.clone() }];
        let report = networks.reconcile(&live).unwrap();
        assert_eq!(report.released, [gone_id]);
        assert!(report.removed_links.contains(&"gveth0000000000".to_owned()));
        assert!(report.unheld_ports.is_empty() && report.without_link.is_empty());
        assert_eq!((networks.get("bridge").unwrap().id, networks.endpoint(&kept.id)), before);
        assert!(ask(HOST, 8080).starts_with("kept sees"));
        assert!(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).is_err());
        // What was released can be had, and addresses go on where they were.
        let next = container(&networks, &[tcp("8081")]);
        assert_eq!(next.ip(), Ipv4Addr::new(172, 17, 0, 4));
        drop(gone);
        // Twice is as good as once.
        let live = [live[0].clone(), LiveEndpoint { container: next.id.clone() }];
        assert_eq!(networks.reconcile(&live).unwrap(), Default::default());
        networks.cleanup().unwrap();
    });
}

#[test]
fn a_port_that_was_taken_meanwhile_is_reported() {
    on_private_host(|world| {
        let networks = world.open();
        let web = container(&networks, &[tcp("8080")]);
        drop(networks);
        let _thief = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).unwrap();
        let networks = world.open();
        let live = [LiveEndpoint { container: web.id.clone() }];
        let report = networks.reconcile(&live).unwrap();
        assert_eq!(report.unheld_ports, web.endpoint.ports);
        let _server = serve(&web.namespace, "web", 80);
        assert!(ask_tcp((HOST, 8080), PATIENCE).unwrap().starts_with("web"));
        networks.cleanup().unwrap();
    });
}

#[test]
fn a_bridge_that_somebody_removed_is_made_again() {
    on_private_host(|world| {
        let networks = world.open();
        let web = container(&networks, &[tcp("8080"), udp("8080")]);
        let _server = serve(&web.namespace, "web", 80);
        drop(networks);
        run("ip link del gantry0");
        let networks = world.open();
        let live = [LiveEndpoint { container: web.id.clone() }];
        let report = networks.reconcile(&live).unwrap();
        assert_eq!(report.rejoined, std::slice::from_ref(&web.id));
        assert!(ask(HOST, 8080).starts_with("web sees"));
        networks.cleanup().unwrap();
    });
}

#[test]
fn foreign_tables_are_not_touched() {
    on_private_host(|world| {
        nft("table ip mine {
               map published_any { type ipv4_addr : ipv4_addr; elements = { 1.2.3.4 : 5.6.7.8 } }
               chain c { type filter hook forward priority 0; policy accept; counter accept; }
             }
             table inet gantry {
               chain forward { type filter hook forward priority 5; }
             }");
        let foreign = || run("nft -s list table ip mine") + &run("nft -s list table inet gantry");
        let before = foreign();
        let networks = world.open();
        let web = container(&networks, &[tcp("8080")]);
        assert_eq!(foreign(), before);
        networks.disconnect(&web.id).unwrap();
        networks.reconcile(&[]).unwrap();
        assert_eq!(foreign(), before);
        networks.cleanup().unwrap();
        assert_eq!(run("nft -s list ruleset"), before);
    });
}

#[test]
fn rules_that_somebody_flushed_come_back() {
    on_private_host(|world| {
        let networks = world.open();
        let first = container(&networks, &[tcp("8080")]);
        let _server = serve(&first.namespace, "first", 80);
        run("nft flush ruleset");
        // The holding socket does not answer for the container.
        let refused = ask_tcp((HOST, 8080), PATIENCE).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let second = container(&networks, &[tcp("8081")]);
        assert!(ask_tcp((HOST, 8080), PATIENCE).unwrap().starts_with("first"));
        run("nft flush ruleset");
        networks.disconnect(&second.id).unwrap();
        assert!(ask_tcp((HOST, 8080), PATIENCE).unwrap().starts_with("first"));
        networks.cleanup().unwrap();
    });
}
