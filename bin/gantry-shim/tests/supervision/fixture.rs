//! A shim of a test's own: directory, root file system, cgroup name; everything goes with it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use oci::runtime::{Linux, Mount, Namespace, Process, Spec, User};
use shim_client::{Attachment, Events, Shim, ShimConfig, ShimEvent, Started};
use shim_protocol::{
    AttachStreams, ContainerStatus, ExecRequest, ExitRecord, LogTarget, StartRequest,
};
use tempfile::TempDir;
use tokio::net::UnixStream;
use types::{ContainerId, ExecId, RootFilesystem};

const DEADLINE: Duration = Duration::from_secs(30);
pub const OUTPUT: AttachStreams = AttachStreams { stdin: false, stdout: true, stderr: true };
pub const ALL: AttachStreams = AttachStreams { stdin: true, stdout: true, stderr: true };

/// Waits, but not for ever.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens within the deadline")
}

pub struct Fixture {
    pub root: TempDir,
    shim: Option<Shim>,
    pub events: Events,
    cgroup: String,
}

impl Fixture {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = tempfile::tempdir().unwrap();
        make_rootfs(&root.path().join("rootfs"));
        fs::create_dir(root.path().join("bundle")).unwrap();
        let config = ShimConfig {
            binary: env!("CARGO_BIN_EXE_gantry-shim").into(),
            dir: root.path().join("shim"),
        };
        let (shim, events) = Shim::spawn(&config).unwrap();
        let cgroup = format!("/gantry-test-shim-{}-{number}", std::process::id());
        Self { root, shim: Some(shim), events, cgroup }
    }

    pub fn shim(&self) -> &Shim {
        self.shim.as_ref().expect("not disconnected")
    }

    /// What an engine's death does: the connection closes without a word.
    pub fn disconnect(&mut self) {
        self.shim = None;
    }

    /// Connects anew and says what the shim says of its container.
    pub async fn reconnect(&mut self) -> ContainerStatus {
        let (shim, hello, events) = soon(Shim::connect(&self.dir())).await.unwrap();
        self.shim = Some(shim);
        self.events = events;
        hello.state
    }

    pub async fn gone(&self) {
        soon(async {
            while shim_client::ShimProcess::find(&self.dir()).unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("shim")
    }

    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    pub fn log_path(&self) -> PathBuf {
        self.root.path().join("log.json")
    }

    /// A request to run a shell script.
    pub fn script(&self, script: &str) -> StartRequest {
        StartRequest {
            id: ContainerId::random(),
            spec: spec(shell(script), &self.cgroup),
            rootfs: RootFilesystem::Directory { path: self.root.path().join("rootfs") },
            seccomp_bpf: None,
            namespaces: BTreeMap::new(),
            attach: Vec::new(),
            open_stdin: false,
            stdin_once: false,
            console_size: None,
            log: LogTarget::JsonFile(shim_protocol::LogFile {
                path: self.log_path(),
                max_size_bytes: None,
                max_files: 1,
                attrs: BTreeMap::new(),
                compressor: None,
            }),
            bundle: self.root.path().join("bundle"),
            external_runtime: None,
            init_binary: None,
        }
    }

    pub async fn start(&self, request: StartRequest) -> Started {
        soon(self.shim().start(request, Vec::new(), BTreeMap::new())).await.unwrap()
    }

    pub async fn start_attached(
        &self,
        request: StartRequest,
        streams: AttachStreams,
    ) -> UnixStream {
        let (ours, attachment) = attachment(streams);
        soon(self.shim().start(request, vec![attachment], BTreeMap::new())).await.unwrap();
        ours
    }

    pub async fn exited(&mut self) -> ExitRecord {
        loop {
            match soon(self.events.recv()).await {
                Some(ShimEvent::Exited(record)) => return record,
                Some(ShimEvent::Lost) | None => {
                    panic!(
                        "the shim is lost: {:?}",
                        fs::read_to_string(self.dir().join("shim.log"))
                    )
                }
                Some(_) => {}
            }
        }
    }

    /// Runs a script to its end and gives its record and the log's messages.
    pub async fn run(&mut self, script: &str) -> (ExitRecord, Vec<LogLine>) {
        self.start(self.script(script)).await;
        let record = self.exited().await;
        (record, self.log())
    }

    /// Waits until the log holds a message.
    pub async fn logged(&self, message: &str) {
        soon(async {
            while !self.log().iter().any(|line| line.log == message) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    pub fn log(&self) -> Vec<LogLine> {
        read_log(&self.log_path())
    }

    pub async fn release(mut self) {
        soon(self.shim().release()).await.unwrap();
        while let Some(event) = soon(self.events.recv()).await {
            if event == ShimEvent::Lost {
                break;
            }
        }
        self.gone().await;
        assert!(!self.dir().exists(), "a released shim leaves nothing behind");
    }
}

impl Drop for Fixture {
    /// A test that fails must not leave a container behind.
    fn drop(&mut self) {
        if let Ok(Some(process)) = shim_client::ShimProcess::find(&self.dir()) {
            process.kill().unwrap();
        }
        let cgroup = runtime::cgroup::Cgroup::open(&self.cgroup).unwrap();
        if cgroup.exists() {
            cgroup.kill().unwrap();
            cgroup.delete().unwrap();
        }
    }
}

pub fn attachment(streams: AttachStreams) -> (UnixStream, Attachment) {
    let (ours, socket) = shim_client::stream_pair().unwrap();
    (ours, Attachment { streams, socket })
}

#[derive(Debug, PartialEq, Eq)]
pub struct LogLine {
    pub log: String,
    pub stream: String,
}

pub fn read_log(path: &Path) -> Vec<LogLine> {
    let text = fs::read_to_string(path).unwrap();
    let parse = |line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| value[name].as_str().unwrap().to_owned();
        assert!(field("time").ends_with('Z'));
        LogLine { log: field("log"), stream: field("stream") }
    };
    text.lines().map(parse).collect()
}

pub fn text_of(lines: &[LogLine]) -> String {
    lines.iter().map(|line| line.log.as_str()).collect()
}

pub fn shell(script: &str) -> Process {
    Process {
        args: ["/bin/busybox", "sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec!["PATH=/bin".into()],
        cwd: "/".into(),
        user: User::default(),
        ..Process::default()
    }
}

pub fn exec_request(process: Process) -> ExecRequest {
    ExecRequest {
        id: ExecId::random(),
        process,
        seccomp_bpf: None,
        attach: Vec::new(),
        open_stdin: false,
        console_size: None,
    }
}

fn spec(process: Process, cgroup: &str) -> Spec {
    let namespaces = ["pid", "mount", "ipc", "uts", "network"]
        .map(|kind| Namespace { kind: kind.into(), path: None })
        .to_vec();
    let mount = |destination: &str, kind: &str| Mount {
        destination: destination.into(),
        kind: Some(kind.into()),
        source: Some(kind.into()),
        ..Mount::default()
    };
    Spec {
        oci_version: "1.2.0".into(),
        process: Some(process),
        mounts: vec![mount("/proc", "proc"), mount("/dev", "tmpfs"), mount("/dev/pts", "devpts")],
        linux: Some(Linux { namespaces, cgroups_path: Some(cgroup.into()), ..Linux::default() }),
        ..Spec::default()
    }
}

fn make_rootfs(path: &Path) {
    for directory in ["bin", "proc", "dev", "tmp"] {
        fs::create_dir_all(path.join(directory)).unwrap();
    }
    let busybox = path.join("bin/busybox");
    fs::copy("/bin/busybox", &busybox).unwrap();
    for applet in ["sh", "sleep", "cat", "echo", "yes", "head", "true", "printf", "dd", "stty"] {
        std::os::unix::fs::symlink("busybox", path.join("bin").join(applet)).unwrap();
    }
}
