//! A `gantry-hub` of the test's own, on loopback, where everybody may pull.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{Engine, Output, engine::binaries, poll::eventually_some};

const USER: &str = "tester";
const PASSWORD: &str = "correct horse battery";

/// A running hub; killed and removed with the value.
pub struct Hub {
    dir: TempDir,
    child: Child,
    port: u16,
}

impl Hub {
    /// Starts a hub with one account.
    ///
    /// # Panics
    /// When the program has not been built or does not answer.
    #[must_use]
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("gantry-hub-").tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).expect("the hub's directory takes files");
        };
        write("hub.json", r#"{"new-repositories": "public"}"#);
        write("password", PASSWORD);
        let password = dir.path().join("password").display().to_string();
        let added = command(dir.path(), &["user", "add", USER, "--password-file", &password])
            .output()
            .expect("gantry-hub runs");
        assert!(added.status.success(), "{added:?}");
        let child = serve(dir.path(), "127.0.0.1:0");
        let port = await_port(dir.path());
        Self { dir, child, port }
    }

    /// A repository's name for clients.
    #[must_use]
    pub fn repository(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{USER}/{name}", self.port)
    }

    /// Pushes an image that an engine has under a name, and lets the engine forget that name.
    ///
    /// # Panics
    /// When the push fails.
    #[track_caller]
    #[must_use]
    pub fn take(&self, engine: &Engine, image: &str, name: &str) -> String {
        let target = self.repository(name);
        engine.ok(&["tag", image, &target]);
        let push = self.push(engine, &target);
        assert!(push.code == 0, "{push:?}");
        engine.ok(&["rmi", &target]);
        target
    }

    /// Pushes an image by a name of this hub's, as its account.
    ///
    /// # Panics
    /// When the account is refused.
    #[track_caller]
    #[must_use]
    pub fn push(&self, engine: &Engine, name: &str) -> Output {
        let address = format!("127.0.0.1:{}", self.port);
        let login = ["login", "-u", USER, "--password-stdin", &address];
        let _answer = engine.docker_with(&login, PASSWORD.as_bytes()).ok();
        let push = engine.docker(&["push", "-q", name]);
        engine.ok(&["logout", &address]);
        push
    }

    /// Where its files are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let program = binaries().join("gantry-hub");
    assert!(program.exists(), "{} is missing: run `cargo build --bins`", program.display());
    let mut command = Command::new(program);
    command.args(arguments).arg("--data-dir").arg(dir.join("data"));
    command.arg("--config").arg(dir.join("hub.json"));
    command
}

fn serve(dir: &Path, listen: &str) -> Child {
    let log = fs::File::create(dir.join("hub.log")).expect("the hub's directory takes files");
    let port_file = dir.join("port").display().to_string();
    command(dir, &["serve", "--listen", listen, "--port-file", &port_file])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("gantry-hub can be started")
}

fn await_port(dir: &Path) -> u16 {
    let log = || fs::read_to_string(dir.join("hub.log")).unwrap_or_default();
    let port = || fs::read_to_string(dir.join("port")).ok()?.trim().parse().ok();
    eventually_some(&format!("the hub listens: {}", log()), port)
}
