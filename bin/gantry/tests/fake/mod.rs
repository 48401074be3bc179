//! An engine that answers from a table and writes down what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

/// 64 characters.
pub const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub line: String,
    pub upgrade: Option<String>,
    pub registry_auth: Option<String>,
    pub body: Value,
}

/// The engine; its threads end with the test process.
pub struct FakeEngine {
    socket: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl FakeEngine {
    pub fn start(dir: &Path, newest: &'static str) -> Self {
        let socket = dir.join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || serve(stream.unwrap(), &log, newest));
            }
        });
        Self { socket, seen }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What was asked since the last call, without pings.
    pub fn take(&self) -> Vec<Seen> {
        let all = std::mem::take(&mut *self.seen.lock().unwrap());
        all.into_iter().filter(|seen| !seen.line.contains("/_ping")).collect()
    }
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn read(from: &mut BufReader<UnixStream>) -> Option<Self> {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new() };
        if request.header("transfer-encoding").as_deref() == Some("chunked") {
            loop {
                let mut size = String::new();
                from.read_line(&mut size).ok()?;
                let size = usize::from_str_radix(size.trim(), 16).ok()?;
                let mut chunk = vec![0; size + 2];
                from.read_exact(&mut chunk).ok()?;
                request.body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else {
            let length = request.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
            request.body = vec![0; length];
            from.read_exact(&mut request.body).ok()?;
        }
        Some(request)
    }
}

fn serve(stream: UnixStream, log: &Mutex<Vec<Seen>>, newest: &str) {
    let mut out = stream.try_clone().unwrap();
    let mut from = BufReader::new(stream);
    while let Some(request) = Request::read(&mut from) {
        let body = match request.body.as_slice() {
            b"" => Value::Null,
            body => serde_json::from_slice(body)
                .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into()),
        };
        log.lock().unwrap().push(Seen {
            line: format!("{} {}", request.method, request.target),
            upgrade: request.header("upgrade"),
            registry_auth: request.header("x-registry-auth"),
            body,
        });
        let path = request.target.split('?').next().unwrap_or("");
        let (version, path) = match path.strip_prefix("/v1.") {
            Some(rest) => rest
                .split_once('/')
                .map(|(v, p)| (v.parse().unwrap_or(0), format!("/{p}")))
                .unwrap(),
            None => (0, path.to_owned()),
        };
        let limit: u32 = newest.trim_start_matches("1.").parse().unwrap();
        if version > limit {
            let message = format!(
                "client version 1.{version} is too new. Maximum supported API version is {newest}"
            );
            answer(&mut out, &request, 400, &json!({"message": message}).to_string(), newest);
            continue;
        }
        if path.ends_with("/attach") || (path.starts_with("/exec/") && path.ends_with("/start")) {
            let head = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            let mut bytes = head.as_bytes().to_vec();
            for (stream, text) in [(1u8, "out\n"), (2, "err\n")] {
                bytes.extend([stream, 0, 0, 0, 0, 0, 0, text.len() as u8]);
                bytes.extend(text.as_bytes());
            }
            out.write_all(&bytes).unwrap();
            return;
        }
        let (status, body) = reply(&request.method, &path, &request.body);
        answer(&mut out, &request, status, &body, newest);
    }
}

fn answer(out: &mut UnixStream, request: &Request, status: u16, body: &str, newest: &str) {
    let stat = match request.target.contains("/archive") {
        true => format!("X-Docker-Container-Path-Stat: {STAT}\r\n"),
        false => String::new(),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nApi-Version: {newest}\r\nOstype: linux\r\nContent-Type: application/json\r\n{stat}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let body = if request.method == "HEAD" { "" } else { body };
    // A client that has seen enough may be gone.
    let _ = out.write_all(format!("{head}{body}").as_bytes());
}

fn error(status: u16, message: &str) -> (u16, String) {
    (status, json!({"message": message}).to_string())
}

fn reply(method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let ok = |value: Value| (200, value.to_string());
    if path.contains("missing") {
        return error(404, "No such container: missing");
    }
    match (method, path) {
        (_, "/_ping") => (200, "OK".to_owned()),
        ("POST", "/containers/create") => create(body),
        ("GET", "/containers/json") => (200, CONTAINERS.replace("$ID", ID)),
        ("GET", "/images/json") => (200, IMAGES.replace("$ID", ID)),
        ("POST", "/images/create") => (200, PULL.to_owned()),
        ("GET", "/volumes") => ok(
            json!({"Volumes": [{"Driver": "local", "Name": "vol", "Mountpoint": "/v", "Labels": {"x": "y"}, "Options": null, "Scope": "local"}], "Warnings": null}),
        ),
        ("GET", "/gantry/api-sockets") => ok(
            json!([{"Name": "watcher", "Path": "/w", "Gid": 0, "Mode": "0660", "Allow": ["events"], "Filters": {}, "Redact": [], "Created": "2025-01-02T03:04:05Z"}]),
        ),
        ("GET", "/networks") => ok(
            json!([{"Name": "bridge", "Id": ID, "Created": "2025-01-02T03:04:05Z", "Scope": "local", "Driver": "bridge", "Labels": {}}]),
        ),
        ("GET", "/volumes/vol") => ok(
            json!({"Driver": "local", "Name": "vol", "Mountpoint": "/v", "Labels": {}, "Options": null, "Scope": "local"}),
        ),
        ("GET", "/volumes/cluster") => ok(
            json!({"Driver": "x", "Name": "cluster", "Scope": "global", "ClusterVolume": {"ID": "c1", "Version": {"Index": 3}, "Spec": {"Availability": "active"}}}),
        ),
        ("GET", "/images/get") => (200, "tar".to_owned()),
        ("GET", path) if path.ends_with("/export") => (200, "tar".to_owned()),
        (_, path) if path.ends_with("/archive") => (200, String::new()),
        ("GET", path) if path.starts_with("/networks/") => {
            ok(json!({"Name": "net", "Id": ID, "Scope": "local", "Driver": "bridge", "Labels": {}}))
        }
        ("GET", path) if path.starts_with("/images/") && path.ends_with("/history") => ok(
            json!([{"Id": format!("sha256:{ID}"), "Created": 1750000000, "CreatedBy": "/bin/sh -c something that is long enough to be cut off", "Tags": null, "Size": 4270000, "Comment": "x"}]),
        ),
        ("GET", path) if path.starts_with("/images/") && path.ends_with("/json") => {
            ok(json!({"Id": format!("sha256:{ID}"), "RepoTags": ["busybox:latest"], "Size": 5}))
        }
        ("GET", "/images/search") => ok(
            json!([{"star_count": 5, "is_official": true, "name": "busybox", "is_automated": false, "description": "a description that is much longer than what a table shows of it"}]),
        ),
        ("GET", "/system/df") => (200, DISK_USAGE.replace("$ID", ID)),
        ("GET", "/events") => (200, EVENT.replace("$ID", ID)),
        ("GET", path) if path.starts_with("/containers/") && path.ends_with("/stats") => ok(
            json!({"name": "/web", "id": ID, "memory_stats": {"usage": 5, "limit": 10}, "pids_stats": {"current": 2}}),
        ),
        ("POST", path) if path.ends_with("/prune") => {
            ok(json!({"ContainersDeleted": [ID], "SpaceReclaimed": 1500}))
        }
        ("GET", "/exec/ee/json") => ok(json!({"ID": "ee", "Running": false, "ExitCode": 7})),
        ("POST", path) if path.ends_with("/exec") => ok(json!({"Id": "ee"})),
        ("POST", path) if path.ends_with("/wait") => {
            let id = path.split('/').nth(2).unwrap_or("");
            let code =
                id.strip_prefix('e').and_then(|rest| rest[..3].parse::<i64>().ok()).unwrap_or(0);
            ok(json!({"StatusCode": code}))
        }
        ("POST", path) if path.ends_with("/start") && path.contains("/ff") => error(
            400,
            "failed to create task for container: exec: \"nosuch\": executable file not found in $PATH: unknown",
        ),
        ("GET", path) if path.starts_with("/containers/") && path.ends_with("/json") => {
            (200, INSPECT.replace("$ID", ID))
        }
        ("POST" | "DELETE", path) if path.starts_with("/containers/") => (204, String::new()),
        _ => error(404, "page not found"),
    }
}

fn create(body: &[u8]) -> (u16, String) {
    let document: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let image = document["Image"].as_str().unwrap_or("").to_owned();
    let id = match image.as_str() {
        "absent" => return error(404, "No such image: absent:latest"),
        "bad" => return error(500, "boom"),
        "nostart" => format!("ff{}", &ID[2..]),
        image if image.starts_with("exit") => format!("e{}{}", &image[4..7], &ID[4..]),
        _ => ID.to_owned(),
    };
    let warnings = if image == "warn" { json!(["careful"]) } else { json!([]) };
    (201, json!({"Id": id, "Warnings": warnings}).to_string())
}

const CONTAINERS: &str = r#"[{"Id":"$ID","Names":["/web"],"Image":"busybox:latest","ImageID":"sha256:$ID","Command":"sleep 1000 and \"more\"","Created":1750000000,"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":443,"Type":"tcp"}],"Labels":{"a":"b","com.x.y":"z"},"State":"running","Status":"Up 2 hours","SizeRw":12345,"SizeRootFs":4560000,"HostConfig":{"NetworkMode":"bridge"},"NetworkSettings":{"Networks":{"bridge":{}}},"Mounts":[{"Type":"volume","Name":"vol","Source":"/v","Destination":"/d","Driver":"local","Mode":"z","RW":true,"Propagation":""}]}]"#;
const IMAGES: &str = r#"[{"Id":"sha256:$ID","ParentId":"","RepoTags":["busybox:latest"],"RepoDigests":["busybox@sha256:$ID"],"Created":1750000000,"Size":4270000,"SharedSize":-1,"Labels":null,"Containers":-1},{"Id":"sha256:fe$ID","ParentId":"","RepoTags":[],"RepoDigests":["only@sha256:$ID"],"Created":1750000000,"Size":1093484000,"SharedSize":-1,"Labels":null,"Containers":-1}]"#;
const INSPECT: &str = r#"{"Id":"$ID","Name":"/web","State":{"Status":"running","Running":true,"Pid":5},"HostConfig":{"NetworkMode":"bridge","AutoRemove":false},"Mounts":[],"Config":{"Tty":false,"OpenStdin":false,"Cmd":["sh"],"Labels":{"a":"b"}},"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"443/tcp":null},"Networks":{}}}"#;
const PULL: &str = "{\"status\":\"Pulling from library/busybox\",\"id\":\"latest\"}\n{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},\"progress\":\"[==>] 5B/10B\",\"id\":\"abc\"}\n{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"abc\"}\n{\"status\":\"Status: Downloaded newer image for busybox:latest\"}\n";
const DISK_USAGE: &str = r#"{"LayersSize":4270000,"Images":[{"Id":"sha256:$ID","ParentId":"","RepoTags":["busybox:latest"],"RepoDigests":[],"Created":1750000000,"Size":4270000,"SharedSize":1000,"Labels":null,"Containers":1}],"Containers":[{"Id":"$ID","Names":["/web"],"Image":"busybox:latest","ImageID":"sha256:$ID","Command":"sleep 1000","Created":1750000000,"Ports":[],"SizeRw":12345,"SizeRootFs":4560000,"Labels":{},"State":"exited","Status":"Exited (0) 2 hours ago","HostConfig":{},"NetworkSettings":{"Networks":{}},"Mounts":[]}],"Volumes":[{"Name":"vol","Driver":"local","Mountpoint":"/v","Labels":null,"Scope":"local","Options":null,"UsageData":{"RefCount":0,"Size":1500}}],"BuildCache":null,"BuilderSize":0}"#;
const EVENT: &str = "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"$ID\",\"Attributes\":{\"image\":\"busybox\",\"name\":\"web\"}},\"scope\":\"local\",\"time\":1750000000,\"timeNano\":1750000000000000005}\n";
/// A directory.
const STAT: &str = "eyJuYW1lIjogImEiLCAic2l6ZSI6IDQwOTYsICJtb2RlIjogMjE0NzQ4NDE0MSwgIm10aW1lIjogIjIwMjUtMDEtMDFUMDA6MDA6MDBaIiwgImxpbmtUYXJnZXQiOiAiIn0=";
