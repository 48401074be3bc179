//! What is left of containers that have ended: nothing. The only test of its program, since file
//! descriptors are counted for the whole process.

#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod world;

use std::os::fd::OwnedFd;

use gantry_network::{NetworkConfig, Networks};
use world::*;

#[test]
fn nothing_is_left_of_what_has_ended() {
    on_private_host(|world| {
        let networks = world.open();
        // Once for what is opened lazily.
        networks.disconnect(&container(&networks, &[tcp(""), udp("")]).id).unwrap();
        eventually("first link gone", || links().iter().all(|name| !name.starts_with("gveth")));
        let before = (links(), open_files(), run("nft list ruleset"));
        for _ in 0..20 {
            let each = container(&networks, &[tcp(""), udp(""), tcp("127.0.0.1:8080")]);
            networks.disconnect(&each.id).unwrap();
        }
        eventually("links gone", || links() == before.0);
        assert_eq!(run("nft list ruleset"), before.2);
        eventually("descriptors closed", || open_files() == before.1);
        assert!(networks.get("bridge").unwrap().endpoints.is_empty());
        networks.cleanup().unwrap();
        assert_eq!(links(), ["lo", "up0"]);
        assert_eq!(run("nft list ruleset"), "");
        reserve_is_kept_and_closed(world);
    });
}

fn reserve_is_kept_and_closed(world: &World) {
    let before = open_files();
    let config = NetworkConfig { warm_sandboxes: 3, ..config() };
    let networks = Networks::open(config, world.database()).unwrap();
    let opened = open_files();
    let mut taken = Vec::new();
    for _ in 0..3 {
        eventually("reserve filled", || open_files() == opened + 3 + taken.len());
        taken.push(networks.sandbox().unwrap());
    }
    for sandbox in &taken {
        within(sandbox, || assert!(run("ip -o address show dev lo").contains("127.0.0.1/8")));
    }
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
    assert!(inode(&taken[0]) != inode(&taken[1]) && inode(&taken[1]) != inode(&taken[2]));
    drop(taken);
    networks.cleanup().unwrap();
    assert_eq!(open_files(), before);
}
