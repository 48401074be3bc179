//! The distribution's registry as a process, and a TCP proxy that misbehaves on request.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub struct Registry {
    child: Child,
    pub address: SocketAddr,
    pub dir: TempDir,
}

#[derive(Default)]
pub struct Setup {
    /// `user:password`.
    pub account: Option<(&'static str, &'static str)>,
    /// PEM files: certificate and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Listens there; loopback when there is none.
    pub host: Option<String>,
}

fn free_port(host: &str) -> SocketAddr {
    StdListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

impl Registry {
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = free_port(setup.host.as_deref().unwrap_or("127.0.0.1"));
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n",
            dir.path().join("data").display()
        );
        if let Some((certificate, key)) = &setup.tls {
            config.push_str(&format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                certificate.display(),
                key.display()
            ));
        }
        if let Some((user, password)) = setup.account {
            let path = dir.path().join("htpasswd");
            let out = Command::new("htpasswd").args(["-Bbn", user, password]).output().unwrap();
            std::fs::write(&path, out.stdout).unwrap();
            config.push_str(&format!(
                "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                path.display()
            ));
        }
        let path = dir.path().join("config.yml");
        std::fs::File::create(&path).unwrap().write_all(config.as_bytes()).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's docker-registry is installed");
        let registry = Self { child, address, dir };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// The file of a blob in the registry's storage.
    pub fn blob_file(&self, digest: &types::Digest) -> PathBuf {
        let hex = digest.hex();
        self.dir
            .path()
            .join("data/docker/registry/v2/blobs/sha256")
            .join(&hex[..2])
            .join(hex)
            .join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub fn skopeo(args: &[&str]) -> String {
    let out = Command::new("skopeo").arg("--insecure-policy").args(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Cuts connections after some bytes towards the client or the server.
pub struct Proxy {
    pub address: SocketAddr,
    pub down: Arc<AtomicU64>,
    pub cuts: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Copy)]
pub struct Rules {
    /// Cut after this many bytes towards the client.
    pub down_limit: u64,
    /// Cut after this many bytes towards the server.
    pub up_limit: u64,
    /// How often; afterwards everything passes.
    pub cuts: usize,
    /// Whether a cut connection hangs instead of being closed.
    pub hangs: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { down_limit: u64::MAX, up_limit: u64::MAX, cuts: usize::MAX, hangs: false }
    }
}

impl Proxy {
    pub async fn start(target: SocketAddr, rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let down = Arc::new(AtomicU64::new(0));
        let up = Arc::new(AtomicU64::new(0));
        let cuts = Arc::new(AtomicUsize::new(0));
        let counters = (down.clone(), up, cuts.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (down, up, cuts) = counters.clone();
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else { return };
                    let (client_read, client_write) = client.into_split();
                    let (server_read, server_write) = server.into_split();
                    let downwards =
                        pass(server_read, client_write, rules.down_limit, &down, &cuts, rules);
                    let upwards =
                        pass(client_read, server_write, rules.up_limit, &up, &cuts, rules);
                    // Both halves fall with the first that ends.
                    tokio::select! { () = downwards => {}, () = upwards => {} }
                });
            }
        });
        Self { address, down, cuts, task }
    }

    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    pub fn down(&self) -> u64 {
        self.down.load(Ordering::SeqCst)
    }

    pub fn cut_count(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    limit: u64,
    counter: &AtomicU64,
    cuts: &AtomicUsize,
    rules: Rules,
) {
    let mut buffer = vec![0u8; 16 * 1024];
    let mut passed = 0;
    loop {
        let Ok(count) = from.read(&mut buffer).await else { return };
        if count == 0 {
            return;
        }
        passed += count as u64;
        if passed > limit && cuts.load(Ordering::SeqCst) < rules.cuts {
            cuts.fetch_add(1, Ordering::SeqCst);
            if rules.hangs {
                std::future::pending::<()>().await;
            }
            return;
        }
        counter.fetch_add(count as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// A certificate authority and a certificate for `host`, as files in `dir`.
pub fn certificates(dir: &Path, host: &str) -> (PathBuf, PathBuf, PathBuf) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca_parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    ca_parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = ca_parameters.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&ca_parameters, &ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let path = |name: &str| dir.join(name);
    std::fs::write(path("ca.crt"), ca.pem()).unwrap();
    std::fs::write(path("server.pem"), certificate.pem()).unwrap();
    std::fs::write(path("server.key"), key.serialize_pem()).unwrap();
    (path("ca.crt"), path("server.pem"), path("server.key"))
}
