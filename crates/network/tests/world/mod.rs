//! A host of its own for each test: a private network namespace, and a second one that is
//! "outside", joined by a link.
#![allow(dead_code)] // each test file uses its part

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use gantry_network::{
    ConnectRequest, Endpoint, HostPorts, NetworkConfig, NetworkError, Networks, PortRequest,
    Protocol,
};
use metadata::Database;
use sys::netns;
use types::ContainerId;

pub const PATIENCE: Duration = Duration::from_secs(10);
/// What shows that no answer comes.
pub const SILENCE: Duration = Duration::from_millis(300);
/// The host's address on the link to the outside, and the outside's own.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);

/// The private host.
pub struct World {
    pub dir: tempfile::TempDir,
    pub outside: OwnedFd,
}

/// Runs `body` on a private host; nothing of it survives.
pub fn on_private_host(body: impl FnOnce(&World) + Send) {
    netns::create(|| -> io::Result<()> {
        run("ip link set lo up");
        let outside = netdev::sandbox().unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), outside.as_raw_fd());
        run(&format!("ip link add up0 type veth peer name eth0 netns {path}"));
        run(&format!("ip address add {HOST}/24 dev up0"));
        run("ip link set up0 up");
        within(&outside, || {
            run(&format!("ip address add {OUTSIDE}/24 dev eth0"));
            run("ip link set eth0 up");
        });
        body(&World { dir: tempfile::tempdir().unwrap(), outside });
        Ok(())
    })
    .unwrap();
}

impl World {
    pub fn database(&self) -> Database {
        self.named_database("engine")
    }

    pub fn named_database(&self, name: &str) -> Database {
        Database::open(&self.dir.path().join(format!("{name}.db"))).unwrap()
    }

    pub fn open(&self) -> Networks {
        Networks::open(config(), self.database()).unwrap()
    }
}

/// Settings for tests: no reserve of namespaces, which would disturb counting.
pub fn config() -> NetworkConfig {
    NetworkConfig { warm_sandboxes: 0, ..NetworkConfig::default() }
}

/// A container without processes.
pub struct Container {
    pub id: ContainerId,
    pub namespace: OwnedFd,
    pub endpoint: Endpoint,
}

impl Container {
    pub fn ip(&self) -> Ipv4Addr {
        self.endpoint.ip
    }

    pub fn host_port(&self, index: usize) -> u16 {
        self.endpoint.ports[index].host_port
    }
}

pub fn container(networks: &Networks, ports: &[PortRequest]) -> Container {
    try_container(networks, ports).unwrap()
}

pub fn try_container(
    networks: &Networks,
    ports: &[PortRequest],
) -> Result<Container, NetworkError> {
    let (id, namespace) = (ContainerId::random(), networks.sandbox()?);
    let endpoint = connect(networks, &id, namespace.as_fd(), ports)?;
    Ok(Container { id, namespace, endpoint })
}

pub fn connect(
    networks: &Networks,
    id: &ContainerId,
    sandbox: BorrowedFd<'_>,
    ports: &[PortRequest],
) -> Result<Endpoint, NetworkError> {
    networks.connect(&ConnectRequest {
        container: id,
        name: "web",
        sandbox,
        network: "bridge",
        address: None,
        mac: None,
        ports,
    })
}

/// `-p TEXT:80/PROTOCOL`, TEXT being `[IP:]PORTS`.
pub fn publish(protocol: Protocol, text: &str) -> PortRequest {
    let (host_ip, ports) = match text.split_once(':') {
        Some((ip, ports)) => (Some(ip.parse().unwrap()), ports),
        None => (None, text),
    };
    let host_ports: HostPorts = ports.parse().unwrap();
    PortRequest { protocol, container_port: 80, host_ip, host_ports }
}

pub fn tcp(text: &str) -> PortRequest {
    publish(Protocol::Tcp, text)
}

pub fn udp(text: &str) -> PortRequest {
    publish(Protocol::Udp, text)
}

pub fn within<T: Send>(namespace: &OwnedFd, body: impl FnOnce() -> T + Send) -> T {
    netns::inside(namespace.as_fd(), body).unwrap()
}

/// Runs a command in the calling thread's namespace and returns what it prints.
pub fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Feeds `text` to `nft -f -`.
pub fn nft(text: &str) {
    let mut child =
        Command::new("nft").args(["-f", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Answers everyone with `NAME sees ADDRESS`, on TCP and UDP port `port` of `namespace`, until it
/// is dropped.
pub struct Server {
    stop: Option<Box<dyn FnOnce() + Send>>,
    threads: Vec<thread::JoinHandle<()>>,
}

pub fn serve(namespace: &OwnedFd, name: &'static str, port: u16) -> Server {
    let (listener, socket) = within(namespace, || {
        let any = (Ipv4Addr::UNSPECIFIED, port);
        (TcpListener::bind(any).unwrap(), UdpSocket::bind(any).unwrap())
    });
    let (done, is_done) = mpsc::channel::<()>();
    let (listener_fd, socket_fd) = (listener.try_clone().unwrap(), socket.try_clone().unwrap());
    let stop = move || {
        drop(done);
        // shutdown(2) wakes the blocked accept and recvfrom; UDP says NotConnected and wakes.
        let _ = rustix::net::shutdown(&listener_fd, rustix::net::Shutdown::Both);
        let _ = rustix::net::shutdown(&socket_fd, rustix::net::Shutdown::Both);
    };
    let over_tcp = thread::spawn(move || {
        while let Ok((mut stream, peer)) = listener.accept() {
            let _ = write!(stream, "{name} sees {}", peer.ip());
        }
    });
    let over_udp = thread::spawn(move || {
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        while is_done.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
            if let Ok((_, peer)) = socket.recv_from(&mut [0; 64]) {
                let _ = socket.send_to(format!("{name} sees {}", peer.ip()).as_bytes(), peer);
            }
        }
    });
    Server { stop: Some(Box::new(stop)), threads: vec![over_tcp, over_udp] }
}

impl Drop for Server {
    fn drop(&mut self) {
        (self.stop.take().unwrap())();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Asks over TCP from the calling thread's namespace.
pub fn ask_tcp(address: impl Into<SocketAddr>, patience: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address.into(), patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Asks over UDP from the calling thread's namespace.
pub fn ask_udp(address: impl Into<SocketAddr>, patience: Duration) -> io::Result<String> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    ask_udp_from(&socket, address.into(), patience)
}

pub fn ask_udp_from(
    socket: &UdpSocket,
    address: SocketAddr,
    patience: Duration,
) -> io::Result<String> {
    socket.set_read_timeout(Some(patience))?;
    socket.send_to(b"?", address)?;
    let mut buffer = [0; 64];
    let (length, _) = socket.recv_from(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Asks over both protocols; the answers must be equal.
pub fn ask(ip: Ipv4Addr, port: u16) -> String {
    let address = SocketAddr::from((ip, port));
    let answer = ask_tcp(address, PATIENCE).unwrap();
    assert_eq!(ask_udp(address, PATIENCE).unwrap(), answer);
    answer
}

/// Polls until `is_so`, or fails.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE * 2;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Names of the links in the calling thread's namespace.
pub fn links() -> Vec<String> {
    let links = netdev::RouteSocket::open().unwrap().links().unwrap();
    links.into_iter().map(|link| link.name.to_string()).collect()
}

pub fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
