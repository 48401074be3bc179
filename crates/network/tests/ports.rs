//! Who gets which port of the host.

#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod world;

use std::net::{Ipv4Addr, TcpListener};

use types::error::chain;
use world::*;

#[test]
fn a_port_is_given_to_one_container_at_a_time() {
    on_private_host(|world| {
        let networks = world.open();
        let first = container(&networks, &[tcp("8080")]);
        for taken in ["8080", "127.0.0.1:8080"] {
            let error = try_container(&networks, &[tcp("9999"), tcp(taken)]).err().unwrap();
            let ip = taken.split_once(':').map_or("0.0.0.0", |(ip, _)| ip);
            let text = chain(&error);
            assert!(
                text.starts_with(
                    "driver failed programming external connectivity on endpoint web ("
                ) && text
                    .ends_with(&format!("): Bind for {ip}:8080 failed: port is already allocated")),
                "{text}"
            );
        }
        // The failed ones left nothing: 9999 is free, and so is UDP 8080.
        let second = container(&networks, &[tcp("9999"), udp("8080")]);
        networks.disconnect(&first.id).unwrap();
        let third = container(&networks, &[tcp("127.0.0.1:8080"), tcp("192.0.2.1:8080")]);
        assert!(try_container(&networks, &[tcp("8080")]).is_err());
        for each in [second, third] {
            networks.disconnect(&each.id).unwrap();
        }
        networks.cleanup().unwrap();
    });
}

#[test]
fn a_port_of_another_program_is_refused_and_a_published_one_is_held() {
    on_private_host(|world| {
        let networks = world.open();
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).unwrap();
        let text = chain(&try_container(&networks, &[tcp("8080")]).err().unwrap());
        assert!(
            text.ends_with(
                ": failed to bind host port for 0.0.0.0:8080:172.17.0.2:80/tcp: \
                 address already in use"
            ),
            "{text}"
        );
        let text = chain(&try_container(&networks, &[tcp("203.0.113.9:80")]).err().unwrap());
        assert!(text.ends_with("80/tcp: cannot assign requested address"), "{text}");
        drop(foreign);
        let web = container(&networks, &[tcp("8080")]);
        // std's listener sets SO_REUSEADDR, as most servers do.
        let refused = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
        networks.disconnect(&web.id).unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).unwrap();
        networks.cleanup().unwrap();
    });
}

/// A server on the port closed its connections and ended: its TIME_WAIT must not keep the port.
#[test]
fn a_port_in_time_wait_can_be_published() {
    on_private_host(|world| {
        let networks = world.open();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).unwrap();
        let client = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, 8080)).unwrap();
        let (served, _) = listener.accept().unwrap();
        drop((served, client, listener));
        let web = container(&networks, &[tcp("8080")]);
        let refused = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
        let _server = serve(&web.namespace, "web", 80);
        assert!(ask_tcp((HOST, 8080), PATIENCE).unwrap().starts_with("web"));
        networks.cleanup().unwrap();
    });
}

#[test]
fn ranges_and_ephemeral_ports_take_what_is_free() {
    on_private_host(|world| {
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40003").unwrap();
        let networks = world.open();
        let _foreign = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8001)).unwrap();
        let all: Vec<_> = (0..3).map(|_| container(&networks, &[tcp("8000-8003")])).collect();
        let ports: Vec<_> = all.iter().map(|each| each.host_port(0)).collect();
        assert_eq!(ports, [8000, 8002, 8003]);
        let text = chain(&try_container(&networks, &[tcp("8000-8003")]).err().unwrap());
        assert!(text.ends_with(": all ports are allocated"), "{text}");

        let web = container(&networks, &[tcp(""), tcp("0"), udp("")]);
        assert_eq!([0, 1, 2].map(|index| web.host_port(index)), [40000, 40001, 40002]);
        networks.disconnect(&web.id).unwrap();
        // Not the ones just released, while there are others.
        assert_eq!(container(&networks, &[tcp("")]).host_port(0), 40003);
        networks.cleanup().unwrap();
    });
}
