//! The real program on a private directory and port, and a plain HTTP client.
// Each test program uses its part, and all of it is a test.
#![allow(dead_code, clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

pub const PASSWORD: &str = "correct horse battery";
const DEADLINE: Duration = Duration::from_secs(60);

/// A running hub; killed and removed with the value.
pub struct Hub {
    pub dir: tempfile::TempDir,
    pub port: u16,
    child: Child,
    options: Vec<String>,
}

impl Hub {
    pub fn start() -> Self {
        Self::start_with(&[], "{}")
    }

    /// With accounts `root` (administrator), `alice` and `bob`.
    pub fn start_with(options: &[&str], config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hub.json"), config).unwrap();
        std::fs::write(dir.path().join("password"), PASSWORD).unwrap();
        for (name, admin) in [("root", true), ("alice", false), ("bob", false)] {
            let mut arguments = vec!["user", "add", name];
            arguments.extend(admin.then_some("--admin"));
            assert!(add_password(command(dir.path(), &arguments), dir.path()).success());
        }
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let (child, port) = spawn(dir.path(), &options);
        Self { dir, port, child, options }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same directory, on a new port.
    pub fn restart(&mut self) {
        (self.child, self.port) = spawn(self.dir.path(), &self.options);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        command(self.dir.path(), arguments).output().unwrap()
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn request<'a>(&self, method: &'a str, path: &str) -> Request<'a> {
        Request {
            port: self.port,
            method,
            path: path.to_owned(),
            headers: vec![],
            body: Vec::new(),
        }
    }

    /// A bearer token for the scopes, as `user` or as nobody.
    pub fn token(&self, user: Option<&str>, scopes: &[&str]) -> String {
        let scopes: Vec<_> = scopes.iter().map(|scope| format!("&scope={scope}")).collect();
        let path = format!("/token?service=gantry-hub{}", scopes.concat());
        let mut request = self.request("GET", &path);
        if let Some(user) = user {
            request = request.basic(user, PASSWORD);
        }
        let answer = request.send();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// Uploads a blob in one request as the owner of the namespace.
    pub fn push_blob(&self, name: &str, bytes: &[u8]) -> String {
        let user = name.split('/').next().unwrap();
        let token = self.token(Some(user), &[&format!("repository:{name}:pull,push")]);
        let digest = digest(bytes);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let answer = self.request("POST", &path).bearer(&token).body(bytes).send();
        assert_eq!(answer.status, 201, "{answer:?}");
        digest
    }

    /// Pushes a small image; returns the digests of its manifest and of its layer.
    pub fn push_image(&self, name: &str, tag: &str, layer: &[u8]) -> (String, String) {
        let user = name.split('/').next().unwrap();
        let config = self.push_blob(name, b"{}");
        let layer_digest = self.push_blob(name, layer);
        let manifest = manifest(&config, &layer_digest, layer.len());
        let token = self.token(Some(user), &[&format!("repository:{name}:pull,push")]);
        let answer = self
            .request("PUT", &format!("/v2/{name}/manifests/{tag}"))
            .bearer(&token)
            .header("Content-Type", MANIFEST)
            .body(manifest.as_bytes())
            .send();
        assert_eq!(answer.status, 201, "{answer:?}");
        (digest(manifest.as_bytes()), layer_digest)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may be gone already; either way it is waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub fn manifest(config: &str, layer: &str, layer_size: usize) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":{layer_size}}}]}}"#
    )
}

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

pub fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantry-hub"));
    command.args(arguments).arg("--data-dir").arg(dir.join("data"));
    command
}

fn add_password(mut command: Command, dir: &Path) -> std::process::ExitStatus {
    command.arg("--password-file").arg(dir.join("password"));
    command.stdout(Stdio::null()).status().unwrap()
}

fn spawn(dir: &Path, options: &[String]) -> (Child, u16) {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let mut child = command(dir, &["serve", "--listen", "127.0.0.1:0"])
        .arg("--config")
        .arg(dir.join("hub.json"))
        .args(options)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening on 127.0.0.1:").expect(&line);
    (child, port.parse().unwrap())
}

pub struct Request<'a> {
    port: u16,
    method: &'a str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request<'_> {
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub fn basic(self, user: &str, password: &str) -> Self {
        let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", format!("Basic {encoded}"))
    }

    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self
    }

    pub fn send(self) -> Answer {
        self.try_send().unwrap()
    }

    /// Fails when the server goes away.
    pub fn try_send(self) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        head += &format!("Host: 127.0.0.1:{}\r\nConnection: close\r\n", self.port);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        parse(&all).ok_or_else(|| std::io::Error::other("answer was cut off"))
    }
}

fn parse(all: &[u8]) -> Option<Answer> {
    let end = all.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&all[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Some(Answer { status, headers, body: all[end + 4..].to_vec() })
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The first error's code.
    pub fn code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }

    pub fn location(&self) -> &str {
        &self.headers["location"]
    }
}

/// Polls until it holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
