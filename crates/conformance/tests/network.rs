//! Who reaches whom.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use testkit::{Engine, eventually_some};

const SERVER: &str = "mkdir /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w";

fn get(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The host's address on the way out; nothing is sent.
fn own_address() -> std::net::IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").unwrap();
    socket.local_addr().unwrap().ip()
}

fn published(engine: &Engine, container: &str) -> u16 {
    let line = engine.ok(&["port", container, "80/tcp"]);
    line.lines().next().unwrap().rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "web", "-p", "80", "busybox", "sh", "-c", SERVER]);
    let port = published(&engine, "web");
    for ip in ["127.0.0.1".parse().unwrap(), own_address()] {
        let answer = eventually_some("an answer", || get(SocketAddr::new(ip, port)));
        assert!(answer.ends_with("served\n"), "{ip}: {answer}");
    }
    let address = engine.inspect("web", "{{.NetworkSettings.IPAddress}}");
    let direct =
        engine.ok(&["run", "--rm", "busybox", "wget", "-qO-", &format!("http://{address}/")]);
    assert_eq!(direct, "served");
    let through_host = format!("http://{}:{port}/", own_address());
    assert_eq!(engine.ok(&["run", "--rm", "busybox", "wget", "-qO-", &through_host]), "served");
    assert_eq!(engine.ok(&["exec", "web", "wget", "-qO-", &through_host]), "served");
    engine.ok(&["rm", "-f", "web"]);
    assert!(get(SocketAddr::new("127.0.0.1".parse().unwrap(), port)).is_none());
    engine.assert_nothing_leaked();
}

#[test]
fn a_port_in_use_is_refused_and_free_again_after_the_end() {
    let engine = Engine::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let publish = format!("127.0.0.1:{port}:80");
    let run = ["run", "-d", "--name", "web", "-p", publish.as_str(), "busybox", "sh", "-c", SERVER];
    engine.docker(&run).fails(125, "address already in use");
    engine.ok(&["rm", "web"]);
    drop(taken);
    engine.ok(&run);
    let second = ["run", "-d", "--name", "two", "-p", publish.as_str(), "busybox", "true"];
    engine.docker(&second).fails(125, "port is already allocated");
    engine.ok(&["rm", "-f", "web", "two"]);
    engine.ok(&second);
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn none_has_loopback_only_and_host_has_the_host_s() {
    let engine = Engine::start();
    let links = engine.ok(&["run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"]);
    assert_eq!(links, "lo");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    // Whoever connects is sent away, which ends the client.
    let greeter = std::thread::spawn(move || drop(listener.accept()));
    engine.ok(&["run", "--rm", "--network", "host", "busybox", "nc", "127.0.0.1", &port]);
    greeter.join().unwrap();
    let refused = engine.docker(&["run", "--rm", "busybox", "nc", "-w", "2", "127.0.0.1", &port]);
    assert_eq!(refused.code, 1, "{refused:?}");
    engine.assert_nothing_leaked();
}

#[test]
fn a_container_may_share_another_s_network() {
    let engine = Engine::start();
    engine.ok(&["run", "-d", "--name", "web", "busybox", "sh", "-c", SERVER]);
    engine.ok(&[
        "run",
        "--rm",
        "--network",
        "container:web",
        "busybox",
        "sh",
        "-c",
        "until wget -qO- http://127.0.0.1/; do sleep 0.05; done",
    ]);
    let hostnames = ["web", "side"].map(|name| {
        if name == "side" {
            engine.ok(&[
                "run",
                "-d",
                "--name",
                "side",
                "--network",
                "container:web",
                "busybox",
                "sleep",
                "100",
            ]);
        }
        engine.ok(&["exec", name, "ip", "-o", "addr"])
    });
    assert_eq!(hostnames[0], hostnames[1]);
    engine.ok(&["stop", "-t", "0", "web"]);
    engine
        .docker(&["run", "--rm", "--network", "container:web", "busybox", "true"])
        .fails(125, "cannot join");
    engine.remove_all_containers();
    engine.assert_nothing_leaked();
}

#[test]
fn names_and_addresses_are_in_the_files() {
    let engine = Engine::start();
    let script = "hostname; cat /etc/hosts; cat /etc/resolv.conf";
    let text = engine.ok(&[
        "run",
        "--rm",
        "--name",
        "web",
        "--hostname",
        "called",
        "--add-host",
        "other:192.0.2.7",
        "--dns",
        "192.0.2.53",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    assert!(text.starts_with("called\n"), "{text}");
    assert!(text.contains("192.0.2.7\tother"), "{text}");
    assert!(text.contains("nameserver 192.0.2.53"), "{text}");
    let own = text.lines().find(|line| line.ends_with("called") && line.starts_with("10."));
    assert!(own.is_some(), "{text}");
}
