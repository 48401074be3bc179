//! A `gantryd` of the test's own.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Accounting,
    api::{self, Answer},
    client::{self, Output, Session},
    image_tar::ImageTar,
    poll::{PATIENCE, eventually, within},
    process,
    slot::Slot,
};

/// How an engine differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Flags for `gantryd` besides those that the harness gives.
    pub flags: Vec<String>,
    /// Where the data root is; below the engine's own directory when absent.
    pub data_root: Option<PathBuf>,
    /// Whether the engine starts without the `busybox` image.
    pub has_no_image: bool,
}

/// A running engine and everything that is its own. Dropping it ends it and fails the test when
/// something is left on the machine.
pub struct Engine {
    // Taken on drop.
    root: TempDir,
    slot: Slot,
    options: Options,
    child: Mutex<Child>,
    pid: AtomicI32,
}

impl Engine {
    /// Starts an engine with the image `busybox`.
    ///
    /// # Panics
    /// When the programs have not been built or the engine does not answer.
    #[must_use]
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// Starts an engine that differs from the usual one.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn with(options: Options) -> Self {
        let root = tempfile::Builder::new().prefix("gantry-test-").tempdir().expect("a directory");
        let slot = Slot::take(root.path());
        slot.make_bridge();
        fs::write(root.path().join("daemon.json"), "{}").expect("the configuration is written");
        fs::create_dir(root.path().join("client")).expect("the client's directory is made");
        let child = spawn(root.path(), &slot, &options);
        let pid = AtomicI32::new(i32::try_from(child.id()).expect("pids are small"));
        let engine = Self { root, slot, options, child: Mutex::new(child), pid };
        engine.await_ready();
        if !engine.options.has_no_image {
            engine.import("busybox", ImageTar::busybox(), &["CMD [\"sh\"]"]);
        }
        engine
    }

    /// The engine's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Its data root.
    #[must_use]
    pub fn data_root(&self) -> PathBuf {
        data_root(self.root(), &self.options)
    }

    /// Its exec root.
    #[must_use]
    pub fn exec_root(&self) -> PathBuf {
        self.root().join("exec")
    }

    /// Its names on the machine.
    #[must_use]
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The pid of `gantryd`.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.load(Ordering::SeqCst)
    }

    /// `DOCKER_HOST` for clients.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}/engine.sock", self.root().display())
    }

    /// What the engine has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.root().join("engine.log")).unwrap_or_default()
    }

    /// Runs `docker` to its end.
    #[track_caller]
    #[must_use]
    pub fn docker(&self, arguments: &[&str]) -> Output {
        self.docker_with(arguments, &[])
    }

    /// Runs `docker` to its end with something to read.
    #[track_caller]
    #[must_use]
    pub fn docker_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        client::run(self.command("docker", arguments), input)
    }

    /// Starts `docker`.
    #[must_use]
    pub fn docker_session(&self, arguments: &[&str]) -> Session {
        Session::spawn(self.command("docker", arguments))
    }

    /// Runs `gantry` to its end.
    #[track_caller]
    #[must_use]
    pub fn gantry(&self, arguments: &[&str]) -> Output {
        let program = binaries().join("gantry");
        client::run(self.command(&program.display().to_string(), arguments), &[])
    }

    /// Runs `docker` and insists that it succeeds; gives its standard output.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(output.code == 0, "{output:?}");
        output.text()
    }

    /// What `docker inspect` says of one thing by a template.
    #[track_caller]
    #[must_use]
    pub fn inspect(&self, name: &str, template: &str) -> String {
        self.ok(&["inspect", "--format", template, name])
    }

    /// Imports an image with instructions such as `CMD ["sh"]`.
    #[track_caller]
    pub fn import(&self, name: &str, archive: ImageTar, changes: &[&str]) {
        let mut arguments = vec!["import"];
        for change in changes {
            arguments.extend(["--change", change]);
        }
        arguments.extend(["-", name]);
        let output = self.docker_with(&arguments, &archive.bytes());
        assert!(output.code == 0, "{output:?}");
    }

    /// Removes every container, running or not.
    #[track_caller]
    pub fn remove_all_containers(&self) {
        let all = self.ok(&["ps", "-aq"]);
        if !all.is_empty() {
            let mut arguments = vec!["rm", "-f", "-v"];
            arguments.extend(all.lines());
            self.ok(&arguments);
        }
    }

    /// Sends SIGKILL to `gantryd` and waits for its end. Containers go on.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.kill().expect("an own child can be killed");
        child.wait().expect("an own child can be waited for");
    }

    /// Asks `gantryd` to end and waits. Containers go on.
    ///
    /// # Panics
    /// When it does not, or not with success.
    pub fn stop(&self) {
        process::signal(self.pid(), Signal::TERM);
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let status = within(PATIENCE, || child.try_wait().expect("own child"));
        assert!(status.is_some_and(|status| status.success()), "the engine ended with {status:?}");
    }

    /// Starts `gantryd` again after [`Self::kill`] or [`Self::stop`].
    pub fn start_again(&self) {
        {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            *child = spawn(self.root(), &self.slot, &self.options);
            let pid = i32::try_from(child.id()).expect("pids are small");
            self.pid.store(pid, Ordering::SeqCst);
        }
        self.await_ready();
    }

    /// A client's command for this engine. `docker` gets its own empty configuration.
    #[must_use]
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .env("GANTRY_HOST", self.host())
            .env("DOCKER_CONFIG", self.root().join("client"))
            .env("HOME", self.root().join("client"))
            .env_remove("DOCKER_CONTEXT")
            .current_dir(self.root());
        command
    }

    /// Sends one request of the Engine API.
    ///
    /// # Errors
    /// When the engine is not there, or ends before it has answered in full.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        api::request(&self.root().join("engine.sock"), method, path, body)
    }

    /// Sends one request with an archive as its body.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn send_archive(&self, method: &str, path: &str, archive: &[u8]) -> io::Result<Answer> {
        let socket = self.root().join("engine.sock");
        api::send(&socket, (method, path), "application/x-tar", archive)
    }

    /// Asks for a document and insists on getting it.
    ///
    /// # Panics
    /// When the engine answers with an error or not at all.
    #[track_caller]
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, &Value::Null).expect("the engine answers");
        assert!(answer.status == 200, "{answer:?}");
        answer.json()
    }

    #[track_caller]
    fn await_ready(&self) {
        let answer = within(PATIENCE, || {
            let is_over = {
                let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
                child.try_wait().expect("own child").is_some()
            };
            assert!(!is_over, "the engine ended at once:\n{}", self.log());
            let answer = self.request("GET", "/version", &Value::Null).ok()?;
            (answer.status == 200).then_some(answer)
        });
        assert!(answer.is_some(), "the engine does not answer:\n{}", self.log());
    }

    fn tear_down(&self) {
        {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have been ended by the test.
            child.kill().ok();
            child.wait().ok();
        }
        self.slot.sweep(self.root());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            eprintln!("--- engine log\n{}", tail.join("\n"));
            eprintln!("--- accounting\n{:#?}", Accounting::of(self));
            self.tear_down();
            return;
        }
        self.tear_down();
        let mounts = crate::accounting::mounts(self.root());
        assert!(mounts.is_empty(), "mounts are left on the host: {mounts:?}");
        let processes = self.slot.processes(self.root());
        assert!(processes.is_empty(), "processes are left: {processes:?}");
        let bridge = PathBuf::from("/sys/class/net").join(self.slot.bridge());
        eventually("the bridge is gone", || !bridge.exists());
    }
}

fn data_root(root: &Path, options: &Options) -> PathBuf {
    options.data_root.clone().unwrap_or_else(|| root.join("data"))
}

/// Where the built programs are.
///
/// # Panics
/// When they are not: says how to build them.
#[must_use]
pub fn binaries() -> PathBuf {
    let dir = std::env::var_os("GANTRY_TEST_BINARIES").map_or_else(beside_tests, PathBuf::from);
    for program in ["gantryd", "gantry-shim", "gantry-logger", "gantry"] {
        let path = dir.join(program);
        assert!(path.exists(), "{} is missing: run `cargo build --bins` first", path.display());
    }
    dir
}

/// Test executables are in `target/PROFILE/deps`.
fn beside_tests() -> PathBuf {
    let executable = std::env::current_exe().expect("a process has an executable");
    let deps = executable.parent().expect("an executable is in a directory");
    deps.parent().expect("target/PROFILE/deps").to_path_buf()
}

fn spawn(root: &Path, slot: &Slot, options: &Options) -> Child {
    let log = File::options().create(true).append(true).open(root.join("engine.log"));
    let log = log.expect("the log can be written");
    let path = |name: &str| root.join(name).display().to_string();
    Command::new(binaries().join("gantryd"))
        .args(["--host", &format!("unix://{}", path("engine.sock"))])
        .args(["--data-root", &data_root(root, options).display().to_string()])
        .args(["--exec-root", &path("exec"), "--pidfile", &path("engine.pid")])
        .args(["--bridge", &slot.bridge()])
        .args(["--cgroup-parent", &slot.cgroup_parent()])
        .args(["--config-file", &path("daemon.json")])
        .args(&options.flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a descriptor can be doubled"))
        .stderr(log)
        .spawn()
        .expect("gantryd can be started")
}
