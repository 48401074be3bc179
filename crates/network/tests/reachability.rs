//! Who reaches a published port, and who does not.

#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod world;

use std::net::Ipv4Addr;

use gantry_network::{NetworkConfig, Networks};
use world::*;

/// Whether bridged packets pass the IP hooks is the host's setting; both must work.
fn set_bridge_filter(value: &str) {
    std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", value).unwrap();
}

#[test]
fn a_published_port_answers_everyone() {
    published_port_answers_everyone("1");
}

#[test]
fn a_published_port_answers_everyone_without_bridge_filter() {
    published_port_answers_everyone("0");
}

fn published_port_answers_everyone(bridge_filter: &str) {
    on_private_host(|world| {
        set_bridge_filter(bridge_filter);
        let networks = world.open();
        let gateway = networks.host_gateway();
        let web = container(&networks, &[tcp("8080"), udp("8080")]);
        let other = container(&networks, &[]);
        let _server = serve(&web.namespace, "web", 80);

        // The host, over loopback, over its own address, over the bridge, and directly.
        assert_eq!(ask(Ipv4Addr::LOCALHOST, 8080), format!("web sees {gateway}"));
        assert_eq!(ask(HOST, 8080), format!("web sees {HOST}"));
        assert_eq!(ask(gateway, 8080), format!("web sees {gateway}"));
        assert_eq!(ask(web.ip(), 80), format!("web sees {gateway}"));
        // From outside, with the client's own address.
        let answer = within(&world.outside, || ask(HOST, 8080));
        assert_eq!(answer, format!("web sees {OUTSIDE}"));
        // Another container, and itself, through the host's address; and directly.
        for from in [&other, &web] {
            for address in [HOST, gateway] {
                let answer = within(&from.namespace, || ask(address, 8080));
                assert_eq!(answer, format!("web sees {gateway}"));
            }
        }
        let answer = within(&other.namespace, || ask(web.ip(), 80));
        assert_eq!(answer, format!("web sees {}", other.ip()));

        networks.disconnect(&web.id).unwrap();
        let refused = ask_tcp((HOST, 8080), PATIENCE).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        networks.cleanup().unwrap();
    });
}

#[test]
fn packets_to_the_outside_have_the_hosts_address() {
    on_private_host(|world| {
        let networks = world.open();
        let client = container(&networks, &[]);
        let _server = serve(&world.outside, "outside", 80);
        let answer = within(&client.namespace, || ask(OUTSIDE, 80));
        assert_eq!(answer, format!("outside sees {HOST}"));
        networks.cleanup().unwrap();
    });
}

#[test]
fn the_outside_reaches_published_ports_only() {
    on_private_host(|world| {
        let networks = world.open();
        let web = container(&networks, &[tcp("8080"), udp("8080"), tcp("127.0.0.1:9090")]);
        let _server = serve(&web.namespace, "web", 80);
        let _unpublished = serve(&web.namespace, "web", 81);
        let subnet = networks.get("bridge").unwrap().bridge.unwrap().subnet;
        within(&world.outside, || {
            run(&format!("ip route add {subnet} via {HOST}"));
            run(&format!("ip route add 127.9.9.9/32 via {HOST}"));
            assert_eq!(ask(HOST, 8080), format!("web sees {OUTSIDE}"));
            // By the container's own address: not even the published one.
            assert!(ask_tcp((web.ip(), 80), SILENCE).is_err());
            assert!(ask_tcp((web.ip(), 81), SILENCE).is_err());
            assert!(ask_udp((web.ip(), 80), SILENCE).is_err());
            assert!(ask_tcp((HOST, 9090), SILENCE).is_err());
        });
        assert!(ask_tcp((Ipv4Addr::LOCALHOST, 9090), PATIENCE).is_ok());
        networks.cleanup().unwrap();
    });
}

/// A neighbour can put any destination into a packet; 127.0.0.1 must not lead to what is published
/// for the host alone.
#[test]
fn a_forged_loopback_destination_from_outside_is_not_translated() {
    on_private_host(|world| {
        let networks = world.open();
        let web = container(&networks, &[tcp("127.0.0.1:9090"), udp("127.0.0.1:9090")]);
        let _server = serve(&web.namespace, "web", 80);
        within(&world.outside, || {
            // The neighbour's own loopback moves away, so that 127.0.0.1 leaves by the link.
            run("ip link set lo down");
            run("ip rule add pref 1 to 127.0.0.0/8 lookup 77");
            run("ip rule add pref 2 lookup local");
            run("ip rule del pref 0");
            run(&format!("ip route add 127.0.0.0/8 via {HOST} dev eth0 table 77"));
            std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap();
            assert!(ask_udp((Ipv4Addr::LOCALHOST, 9090), SILENCE).is_err());
        });
        networks.cleanup().unwrap();
    });
}

#[test]
fn a_container_does_not_reach_the_hosts_loopback() {
    on_private_host(|world| {
        let networks = world.open();
        let attacker = container(&networks, &[]);
        let gateway = networks.host_gateway();
        let host = sys::netns::current().unwrap();
        let _server = serve(&host, "host", 6000);
        within(&attacker.namespace, || {
            // The host itself is reached, as with Docker ...
            assert_eq!(ask(gateway, 6000), format!("host sees {}", attacker.ip()));
            // ... its loopback is not, whatever the container does to its own routes.
            run("ip rule add pref 1 to 127.0.0.0/8 lookup 77");
            run("ip rule add pref 2 lookup local");
            run("ip rule del pref 0");
            run(&format!("ip route add 127.0.0.0/8 via {gateway} dev eth0 table 77"));
            std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap();
            assert!(ask_tcp((Ipv4Addr::LOCALHOST, 6000), SILENCE).is_err());
            assert!(ask_udp((Ipv4Addr::LOCALHOST, 6000), SILENCE).is_err());
        });
        networks.cleanup().unwrap();
    });
}

#[test]
fn without_icc_containers_reach_each_other_by_published_ports_only() {
    without_icc("1");
}

#[test]
fn icc_is_off_though_the_host_does_not_filter_bridges() {
    without_icc("0");
}

fn without_icc(bridge_filter: &str) {
    on_private_host(|world| {
        set_bridge_filter(bridge_filter);
        let config = NetworkConfig { inter_container: false, ..config() };
        let networks = Networks::open(config, world.database()).unwrap();
        let web = container(&networks, &[tcp("8080"), udp("8080")]);
        let other = container(&networks, &[]);
        let _server = serve(&web.namespace, "web", 80);
        within(&other.namespace, || {
            assert!(ask_tcp((web.ip(), 80), SILENCE).is_err());
            assert!(ask_udp((web.ip(), 80), SILENCE).is_err());
            assert!(ask(HOST, 8080).starts_with("web sees"));
        });
        networks.cleanup().unwrap();
    });
}

#[test]
fn a_sender_that_never_pauses_reaches_the_next_container() {
    on_private_host(|world| {
        let networks = world.open();
        let first = container(&networks, &[udp("5353")]);
        let server = serve(&first.namespace, "first", 80);
        within(&world.outside, || {
            let socket = std::net::UdpSocket::bind((OUTSIDE, 40000)).unwrap();
            let answer = ask_udp_from(&socket, (HOST, 5353).into(), PATIENCE).unwrap();
            assert!(answer.starts_with("first"));
        });
        networks.disconnect(&first.id).unwrap();
        drop(server);
        // The same flow, while nobody is there: the host's own socket would be its answer.
        within(&world.outside, || {
            let socket = std::net::UdpSocket::bind((OUTSIDE, 40000)).unwrap();
            assert!(ask_udp_from(&socket, (HOST, 5353).into(), SILENCE).is_err());
        });
        let second = container(&networks, &[udp("5353")]);
        let _server = serve(&second.namespace, "second", 80);
        within(&world.outside, || {
            let socket = std::net::UdpSocket::bind((OUTSIDE, 40000)).unwrap();
            let answer = ask_udp_from(&socket, (HOST, 5353).into(), PATIENCE).unwrap();
            assert!(answer.starts_with("second"), "{answer}");
        });
        networks.cleanup().unwrap();
    });
}
