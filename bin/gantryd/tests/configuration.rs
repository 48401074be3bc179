//! The program's own view of flags and files, by `--validate` and by running it.
#![allow(clippy::unwrap_used)] // Helpers of tests, not only tests.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        net::{UnixDatagram, UnixListener, UnixStream},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, json: &str) -> Command {
        fs::write(self.path("daemon.json"), json).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantryd"));
        command.arg("--config-file").arg(self.path("daemon.json")).env_remove("NOTIFY_SOCKET");
        command
    }

    fn validate(&self, json: &str, flags: &[&str]) -> Output {
        self.command(json).arg("--validate").args(flags).output().unwrap()
    }

    fn refusal(&self, json: &str, flags: &[&str]) -> String {
        let output = self.validate(json, flags);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{json} {flags:?} should be refused");
        text
    }

    /// An engine with its own roots and its own network namespace, which takes the bridge and the
    /// nftables table of the engine with it when it ends.
    fn engine(&self, json: &str) -> Command {
        fs::write(self.path("daemon.json"), json).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--net", "sh", "-c", r#"ip link set lo up && exec "$@""#, "sh"])
            .arg(env!("CARGO_BIN_EXE_gantryd"))
            .arg("--config-file")
            .arg(self.path("daemon.json"))
            .env_remove("NOTIFY_SOCKET");
        command
            .arg("--data-root")
            .arg(self.path("data"))
            .arg("--exec-root")
            .arg(self.path("exec"))
            .arg("--pidfile")
            .arg(self.path("pid"))
            .stderr(Stdio::piped());
        command
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.path("api.sock").display())
    }
}

/// An engine that is ended with the test.
struct Engine(Child);

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Engine {
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(value) = attempt() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

fn ask(mut stream: UnixStream, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn good_configurations_are_ok() {
    let room = Room::new();
    for (json, flags) in [
        ("", &[][..]),
        ("{}", &[]),
        (
            r#"{"log-level":"debug","labels":["a=b"],"dns":["1.1.1.1"],"default-shm-size":"1G","icc":null}"#,
            &[],
        ),
        (
            r#"{"runtimes":{"crun":{"path":"/usr/bin/crun","runtimeArgs":["--x"]}},"default-runtime":"crun"}"#,
            &[],
        ),
        (
            r#"{"default-ulimits":{"nofile":{"Name":"nofile","Hard":9,"Soft":5}},"features":{"x":true}}"#,
            &[],
        ),
        (
            "{}",
            &[
                "-D",
                "-H",
                "tcp://[::1]:1",
                "-H",
                "fd://",
                "--icc=false",
                "--label",
                "a=b",
                "-s",
                "overlay2",
            ],
        ),
        (
            "{}",
            &[
                "--add-runtime",
                "crun=/usr/bin/crun",
                "--default-runtime",
                "crun",
                "--log-opt",
                "max-size=1m",
            ],
        ),
        (
            "{}",
            &[
                "--default-ulimit",
                "nofile=5:9",
                "--default-address-pool",
                "base=10.0.0.0/8,size=24",
            ],
        ),
        (r#"{"debug":true}"#, &["-l", "info"]),
        (r#"{"cgroup-favor-dynmods":"off"}"#, &[]),
        ("{}", &["--cgroup-favor-dynmods", "on"]),
    ] {
        let output = room.validate(json, flags);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "configuration OK\n",
            "{json} {flags:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn bad_configurations_are_refused_by_key() {
    let room = Room::new();
    for (json, flags, text) in [
        ("{", &[][..], "invalid JSON"),
        ("[]", &[], "invalid JSON"),
        (
            r#"{"nonsense":1,"Debug":true}"#,
            &[],
            "the following directives don't match any configuration option: Debug, nonsense",
        ),
        (
            r#"{"debug":true}"#,
            &["-D"],
            "the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: true)",
        ),
        (
            r#"{"labels":["a=b"]}"#,
            &["--label", "c=d"],
            "labels: (from flag: [\"c=d\"], from file: [\"a=b\"])",
        ),
        (
            r#"{"hosts":["fd://"]}"#,
            &["-H", "fd://"],
            "both as a flag and in the configuration file: hosts",
        ),
        (r#"{"debug":"yes"}"#, &[], "invalid value for debug"),
        (r#"{"log-level":"loud"}"#, &[], "invalid value for log-level"),
        (r#"{"hosts":["/run/x"]}"#, &[], "invalid value for hosts"),
        (r#"{"dns":["one"]}"#, &[], "invalid value for dns"),
        (r#"{"mtu":-1}"#, &[], "invalid value for mtu"),
        (r#"{"mtu":5}"#, &[], "invalid default MTU: 5"),
        (r#"{"max-concurrent-downloads":0}"#, &[], "invalid max concurrent downloads: 0"),
        ("{}", &["--max-concurrent-uploads=-1"], "invalid value for max-concurrent-uploads"),
        (r#"{"labels":["a"]}"#, &[], "bad attribute format: a"),
        (r#"{"labels":["a=b","a=c"]}"#, &[], "conflict labels for a=c and a=b"),
        (
            r#"{"insecure-registries":["http://x"]}"#,
            &[],
            "insecure registry http://x should not contain '://'",
        ),
        (r#"{"registry-mirrors":["x"]}"#, &[], "invalid mirror"),
        (r#"{"bip":"10.0.0.1"}"#, &[], "invalid value for bip"),
        (r#"{"default-runtime":"crun"}"#, &[], "specified default runtime 'crun' does not exist"),
        (r#"{"runtimes":{"gantry":{"path":"/x"}}}"#, &[], "runtime name 'gantry' is reserved"),
        (r#"{"runtimes":{"x":{"binary":"/x"}}}"#, &[], "invalid value for runtimes"),
        (r#"{"userns-remap":"default"}"#, &[], "user namespaces are not implemented by Gantry yet"),
        (r#"{"storage-driver":"btrfs"}"#, &[], "storage-driver: btrfs"),
        (r#"{"selinux-enabled":true}"#, &[], "selinux-enabled"),
        ("{}", &["--cgroup-favor-dynmods=yes"], "invalid value for cgroup-favor-dynmods"),
        (r#"{"seccomp-profile":"/absent"}"#, &[], "invalid value for seccomp-profile: /absent"),
        (r#"{"default-shm-size":"lots"}"#, &[], "invalid value for default-shm-size"),
        ("{}", &["--default-ulimit", "nofile"], "--default-ulimit"),
        ("{}", &["-H", "nowhere"], "invalid bind address format: nowhere"),
    ] {
        let refusal = room.refusal(json, flags);
        assert!(refusal.contains(text), "{json} {flags:?}: {refusal}");
    }
    fs::remove_file(room.path("daemon.json")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gantryd"))
        .args(["--validate", "--config-file"])
        .arg(room.path("daemon.json"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "a named file must exist");
}

#[test]
fn an_engine_serves_reloads_and_stops() {
    let room = Room::new();
    let notify = UnixDatagram::bind(room.path("notify")).unwrap();
    notify.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut engine = Engine(
        room.engine("{}")
            .args(["-H", &room.socket()])
            .env("NOTIFY_SOCKET", room.path("notify"))
            .spawn()
            .unwrap(),
    );
    let mut buffer = [0; 256];
    let length = notify.recv(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"READY=1\n"));
    let answer = ask(UnixStream::connect(room.path("api.sock")).unwrap(), "/v1.41/version");
    assert!(answer.contains("Api-Version: 1.55"), "{answer}");
    assert_eq!(fs::read_to_string(room.path("pid")).unwrap(), engine.0.id().to_string());

    let second = room.engine("{}").args(["-H", &room.socket()]).output().unwrap();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && text.contains("is still running"), "{text}");

    fs::write(room.path("daemon.json"), r#"{"labels":["a=b"],"mtu":1400}"#).unwrap();
    engine.signal(rustix::process::Signal::HUP);
    let stderr = engine.0.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let reloaded = lines.find(|line| line.contains("reloaded the configuration")).unwrap();
    assert!(reloaded.contains("labels") && !reloaded.contains("mtu"), "{reloaded}");
    let restart = lines.next().unwrap();
    assert!(restart.contains("need a restart") && restart.contains("mtu"), "{restart}");
    fs::write(room.path("daemon.json"), r#"{"labels":["nonsense"]}"#).unwrap();
    engine.signal(rustix::process::Signal::HUP);
    let refused = lines.find(|line| line.contains("was not reloaded")).unwrap();
    assert!(refused.contains("bad attribute format: nonsense"), "{refused}");

    engine.signal(rustix::process::Signal::TERM);
    let status = eventually("the end", || engine.0.try_wait().unwrap());
    assert!(status.success());
    assert!(!room.path("api.sock").exists() && !room.path("pid").exists());
}

#[test]
fn plain_tcp_needs_its_flag() {
    let room = Room::new();
    let output = room.engine("{}").args(["-H", "tcp://127.0.0.1:0"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("--allow-plain-tcp"), "{text}");
    let mut engine = Engine(
        room.engine("{}").args(["-H", "tcp://127.0.0.1:0", "--allow-plain-tcp"]).spawn().unwrap(),
    );
    let stderr = engine.0.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("WARN") && line.contains("PLAIN TCP")));
}

#[test]
fn an_inherited_socket_is_served() {
    let room = Room::new();
    let listener = UnixListener::bind(room.path("activated.sock")).unwrap();
    let mut command = room.engine("{}");
    // Systemd's protocol: the socket is descriptor 3 and LISTEN_PID the process that execs.
    let script = r#"export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&0 0</dev/null"#;
    let program = command.get_program().to_owned();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = Command::new("/bin/sh");
    command
        .arg0("sh")
        .args(["-c", script, "sh"])
        .arg(program)
        .args(arguments)
        .args(["-H", "fd://"])
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
        .stderr(Stdio::piped());
    let _engine = Engine(command.spawn().unwrap());
    let answer = ask(UnixStream::connect(room.path("activated.sock")).unwrap(), "/nowhere");
    assert!(answer.contains("page not found"), "{answer}");

    let other = Room::new();
    let none = other.engine("{}").args(["-H", "fd://"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("no sockets found via socket activation")
    );
}
