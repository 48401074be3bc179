//! The table on the real kernel, in a network namespace of the test's own.

#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    process::Command,
};

use gantry_firewall::{FirewallError, Policy, Protocol, Publication, Table};

fn policy() -> Policy {
    Policy {
        bridge: "br0".to_owned(),
        subnet: (Ipv4Addr::new(172, 20, 0, 0), Ipv4Addr::new(255, 255, 0, 0)),
        masquerade: true,
        inter_container: true,
    }
}

fn publication(host_port: u16) -> Publication {
    let odd = host_port % 2 == 1;
    Publication {
        protocol: if odd { Protocol::Tcp } else { Protocol::Udp },
        host_ip: if odd { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST },
        host_port,
        target: SocketAddrV4::new(Ipv4Addr::new(172, 20, 0, 2), 80),
    }
}

fn listing() -> String {
    let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn alone(body: impl FnOnce(Table) + Send) {
    sys::netns::create(|| -> io::Result<()> {
        body(Table::open("gantry-test".parse().unwrap()).unwrap());
        Ok(())
    })
    .unwrap();
}

#[test]
fn thousands_of_ports_are_written_listed_and_withdrawn() {
    alone(|mut table| {
        let mut all: Vec<_> = (1..=6000).map(publication).collect();
        all.sort_unstable();
        table.replace(&policy(), &all).unwrap();
        assert_eq!(table.published().unwrap(), all);
        let (some, rest) = all.split_at(2500);
        table.withdraw(some).unwrap();
        assert_eq!(table.published().unwrap(), rest);
        table.publish(some).unwrap();
        assert_eq!(table.published().unwrap(), all);
        table.replace(&policy(), &[]).unwrap();
        assert_eq!(table.published().unwrap(), []);
        table.delete().unwrap();
        table.delete().unwrap();
        assert_eq!(listing(), "");
    });
}

#[test]
fn a_change_is_whole_or_nothing() {
    alone(|mut table| {
        let missing = table.publish(&[publication(1)]).unwrap_err();
        assert!(missing.is_missing(), "{missing:?}");
        assert!(table.published().unwrap_err().is_missing());
        table.replace(&policy(), &[publication(1), publication(2)]).unwrap();
        let before = listing();
        // 3 is not there.
        let refused = table.withdraw(&[publication(1), publication(3)]).unwrap_err();
        assert!(refused.is_missing(), "{refused:?}");
        assert_eq!(listing(), before);
        // 1 leads elsewhere.
        let mut other = publication(1);
        other.target.set_port(81);
        let refused = table.publish(&[publication(3), other]).unwrap_err();
        assert!(matches!(refused, FirewallError::Change { .. }) && !refused.is_missing());
        assert_eq!(listing(), before);
        // The same again is no change.
        table.publish(&[publication(1)]).unwrap();
        assert_eq!(listing(), before);
    });
}

/// What nft(8) shows is what an administrator reads; it must also be able to load it.
#[test]
fn nft_reads_what_it_lists() {
    alone(|mut table| {
        table.replace(&policy(), &[publication(1), publication(2)]).unwrap();
        let before = listing();
        for rule in [
            "ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @published_any",
            "iifname \"br0\" ip daddr 127.0.0.0/8 drop",
            "ip saddr 172.20.0.0/16 oifname != \"br0\" masquerade",
            "oifname \"br0\" ct state established,related accept",
            "tcp . 1 : 172.20.0.2 . 80",
            "127.0.0.1 . udp . 2 : 172.20.0.2 . 80",
        ] {
            assert!(before.contains(rule), "{rule} in {before}");
        }
        let path = std::env::temp_dir().join(format!("gantry-nft-{}.nft", std::process::id()));
        std::fs::write(&path, format!("flush ruleset\n{before}")).unwrap();
        assert!(Command::new("nft").arg("-f").arg(&path).status().unwrap().success());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(listing(), before);
        assert_eq!(table.published().unwrap(), [publication(1), publication(2)]);
    });
}

#[test]
fn names_that_nft_cannot_read_are_refused() {
    use gantry_firewall::TableName;
    for good in ["gantry", "gantry-br0", "g_1.x"] {
        assert!(good.parse::<TableName>().is_ok(), "{good}");
    }
    for bad in ["", "1a", "a b", "a;b", "a/b", "-a"] {
        assert!(bad.parse::<TableName>().is_err(), "{bad}");
    }
}
