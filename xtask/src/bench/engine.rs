//! The engines that are compared, each started on a place of its own with the same image.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    command::{is_installed, run, signal, wait_for},
    site::Site,
};

/// Name of the image in every engine.
pub const IMAGE: &str = "bench";

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gantry,
    Docker,
    Podman,
}

impl Kind {
    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gantry => "gantryd",
            Self::Docker => "dockerd",
            Self::Podman => "podman",
        }
    }

    fn is_installed(self) -> bool {
        match self {
            Self::Gantry => true,
            Self::Docker => is_installed("dockerd") && is_installed("docker"),
            Self::Podman => is_installed("podman"),
        }
    }
}

/// A running engine; dropping it ends it and removes everything of it.
pub struct Engine {
    pub kind: Kind,
    daemon: Option<Child>,
    site: Site,
}

impl Engine {
    /// Starts an engine and imports the image; none if it is not installed.
    ///
    /// # Errors
    /// It does not start, or refuses the image.
    pub fn start(kind: Kind, programs: &Path, rootfs: &Path) -> Result<Option<Self>> {
        Self::start_with(kind, programs, rootfs, &[])
    }

    /// [`Engine::start`] with further flags for `gantryd`.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        kind: Kind,
        programs: &Path,
        rootfs: &Path,
        flags: &[&str],
    ) -> Result<Option<Self>> {
        if !kind.is_installed() {
            return Ok(None);
        }
        let site = Site::new(kind.name())?;
        let mut engine = Self { kind, daemon: None, site };
        match kind {
            Kind::Gantry => engine.start_gantryd(programs, flags)?,
            Kind::Docker => engine.start_dockerd()?,
            Kind::Podman => engine.write_podman_configuration()?,
        }
        let subject = engine.own_client(programs);
        run(subject.command(&engine, &["import"]).arg(rootfs).arg(IMAGE))?;
        Ok(Some(engine))
    }

    /// The engine's own command line.
    fn own_client(&self, programs: &Path) -> Subject {
        match self.kind {
            Kind::Gantry => Subject::new(Client::Gantry, programs),
            Kind::Docker => Subject::new(Client::Docker(Kind::Docker), programs),
            Kind::Podman => Subject::new(Client::Podman, programs),
        }
    }

    fn start_gantryd(&mut self, programs: &Path, flags: &[&str]) -> Result<()> {
        let mut command = self.site.inside(programs.join("gantryd"));
        command.args(["--bridge", "gbench0"]).args(flags);
        self.spawn(command)
    }

    fn start_dockerd(&mut self) -> Result<()> {
        self.spawn(self.site.inside("dockerd"))
    }

    fn spawn(&mut self, mut command: Command) -> Result<()> {
        let configuration = self.site.path("daemon.json");
        fs::write(&configuration, "{}")?;
        let log = self.site.path("daemon.log");
        let output = fs::File::create(&log)?;
        command
            .arg("--config-file")
            .arg(&configuration)
            .arg("--host")
            .arg(self.address())
            .arg("--data-root")
            .arg(self.site.path("data"))
            .arg("--exec-root")
            .arg(self.site.path("exec"))
            .arg("--pidfile")
            .arg(self.site.path("pid"))
            .args(["--cgroup-parent", &self.site.cgroup()])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        self.daemon = Some(child);
        let is_up = wait_for("the engine to answer", Duration::from_secs(60), || {
            super::api::get(&self.socket(), "/_ping").is_ok()
        });
        is_up.with_context(|| fs::read_to_string(&log).unwrap_or_default())
    }

    fn write_podman_configuration(&self) -> Result<()> {
        // Its default asks for more open files than a container's root may grant itself.
        let text = "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n";
        fs::write(self.site.path("containers.conf"), text).context("write containers.conf")
    }

    /// What the daemon has logged so far.
    ///
    /// # Errors
    /// It has no log.
    pub fn log(&self) -> Result<String> {
        let path = self.site.path("daemon.log");
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// The engine's socket.
    pub fn socket(&self) -> PathBuf {
        self.site.path("engine.sock")
    }

    /// The engine's address as clients write it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The engine's place.
    pub fn site(&self) -> &Site {
        &self.site
    }

    fn podman(&self) -> Command {
        let mut command = self.site.inside("podman");
        command.env("CONTAINERS_CONF", self.site.path("containers.conf"));
        for (flag, name) in [
            ("--root", "data"),
            ("--runroot", "exec"),
            ("--tmpdir", "tmp"),
            ("--network-config-dir", "networks"),
        ] {
            command.arg(flag).arg(self.site.path(name));
        }
        // crun of Debian 12 refuses hosts with controllers on both versions of cgroups.
        command.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
        command.args(["--events-backend", "file", "--log-level", "error"]);
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.kind == Kind::Podman {
            // Its network namespaces are below /run/netns, whatever directories it is given.
            let removed = run(self.podman().args(["rm", "--all", "--force", "--time", "0"]));
            if let Err(error) = removed {
                eprintln!("podman: {error:#}");
            }
        }
        let Some(mut daemon) = self.daemon.take() else { return };
        signal(daemon.id(), "TERM");
        let ended = wait_for("the engine to end", Duration::from_secs(30), || {
            matches!(daemon.try_wait(), Ok(Some(_)))
        });
        if let Err(error) = ended {
            eprintln!("{}: {error:#}", self.kind.name());
            signal(daemon.id(), "KILL");
            let _ = daemon.wait();
        }
    }
}

/// A command line, and the engine it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Gantry,
    Docker(Kind),
    Podman,
}

/// One of the things that are compared.
#[derive(Debug, Clone)]
pub struct Subject {
    pub client: Client,
    programs: PathBuf,
}

impl Subject {
    pub fn new(client: Client, programs: &Path) -> Self {
        Self { client, programs: programs.to_owned() }
    }

    /// The engine it needs.
    pub fn engine(&self) -> Kind {
        match self.client {
            Client::Gantry => Kind::Gantry,
            Client::Docker(kind) => kind,
            Client::Podman => Kind::Podman,
        }
    }

    /// What it is called in tables.
    pub fn label(&self) -> &'static str {
        match self.client {
            Client::Gantry => "gantry, gantryd",
            Client::Docker(Kind::Gantry) => "docker CLI, gantryd",
            Client::Docker(_) => "docker CLI, dockerd",
            Client::Podman => "podman",
        }
    }

    /// A command of its own, e.g. `["exec", "name", "true"]`.
    pub fn command(&self, engine: &Engine, arguments: &[&str]) -> Command {
        let mut command = match self.client {
            Client::Gantry => Command::new(self.programs.join("gantry")),
            Client::Docker(_) => Command::new("docker"),
            Client::Podman => engine.podman(),
        };
        if self.client != Client::Podman {
            command.arg("-H").arg(engine.address());
            command.env("DOCKER_CONFIG", engine.site().root());
            command.env("DOCKER_CLI_HINTS", "false");
        }
        command.args(arguments);
        command
    }

    /// `run` or `create` with what the engine needs to keep to its place.
    pub fn container(&self, engine: &Engine, verb: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(engine, &[verb]);
        if self.client == Client::Podman {
            command.args(["--cgroup-parent", &engine.site().cgroup()]);
        }
        command.args(arguments);
        command
    }
}
