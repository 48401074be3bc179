//! `create`, and the first half of `run`.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use oci::runtime::{Process, Spec};
use runtime::{
    Created, Extras, HostRoot, Keyring, Launch, RootChange, Running, Stdio, cgroup::Cgroup,
};
use types::RootFilesystem;

use crate::{
    arguments::Create,
    descriptors,
    foreground::Foreground,
    report,
    state::{self, Record},
};

pub fn create(root: &Path, create: &Create) -> anyhow::Result<()> {
    let plan = Plan::new(root, create)?;
    if plan.has_terminal() && create.console_socket.is_none() {
        bail!("cannot allocate tty if gantry-runtime will detach without setting console socket");
    }
    plan.make(None).map(drop)
}

/// What is to be made.
pub struct Plan<'a> {
    create: &'a Create,
    directory: PathBuf,
    bundle: PathBuf,
    spec: Spec,
}

/// What was made, waiting at its FIFO.
pub struct Made {
    pub running: Running,
    /// The terminal, unless it was sent to a socket.
    pub terminal: Option<OwnedFd>,
}

impl<'a> Plan<'a> {
    /// Reads the bundle.
    pub fn new(root: &Path, create: &'a Create) -> anyhow::Result<Self> {
        let directory = state::directory(root, &create.id)?;
        let bundle = fs::canonicalize(&create.bundle)
            .with_context(|| format!("find bundle {}", create.bundle.display()))?;
        let spec = load_spec(&bundle)?;
        let plan = Self { create, directory, bundle, spec };
        if create.console_socket.is_some() && !plan.has_terminal() {
            bail!("--console-socket is given, but process.terminal is not set");
        }
        Ok(plan)
    }

    pub fn has_terminal(&self) -> bool {
        self.spec.process.as_ref().is_some_and(|process| process.terminal)
    }

    /// Makes the container; nothing is left of it on failure.
    pub fn make(mut self, foreground: Option<&Foreground>) -> anyhow::Result<Made> {
        let root = self.directory.parent().context("the state has no directory")?;
        fs::create_dir_all(root).with_context(|| format!("make {}", root.display()))?;
        match fs::create_dir(&self.directory) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                bail!("container with id exists: {:?}", self.create.id)
            }
            Err(e) => return Err(e).with_context(|| format!("make {}", self.directory.display())),
        }
        let directory = self.directory.clone();
        self.make_in(foreground).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(&directory);
        })
    }

    fn make_in(&mut self, foreground: Option<&Foreground>) -> anyhow::Result<Made> {
        let cgroup_path = cgroup_path(&self.spec, &self.create.id)?;
        let mut resources = self.spec.linux.as_ref().and_then(|l| l.resources.clone());
        if let Some(resources) = resources.as_mut().filter(|r| !r.devices.is_empty()) {
            resources.devices.extend(runtime::cgroup::default_device_rules());
        }
        let cgroup = Cgroup::create(&cgroup_path, resources.as_ref()).context("create cgroup")?;
        let launched =
            self.launch(&cgroup, foreground).and_then(|created| self.record(created, cgroup_path));
        launched.map_err(|error| {
            let _ = cgroup.delete();
            error.context("unable to start container process: error during container init")
        })
    }

    fn launch(
        &mut self,
        cgroup: &Cgroup,
        foreground: Option<&Foreground>,
    ) -> anyhow::Result<Created> {
        let root = self.spec.root.as_ref().context("config.json has no root")?;
        let rootfs = RootFilesystem::Directory { path: self.bundle.join(&root.path) };
        let process = self.spec.process.as_mut().context("config.json has no process")?;
        let inherited = descriptors::inherited(self.create.preserve_fds, process)?;
        warn_of_capabilities(process);
        let is_terminal = process.terminal;
        let fifo = runtime::fifo::make(&state::fifo(&self.directory))?;
        let launch = Launch {
            id: &self.create.id,
            spec: &self.spec,
            rootfs: &rootfs,
            bundle: &self.bundle,
            stdio: if is_terminal { Stdio::Terminal } else { Stdio::Inherit },
            namespaces: Default::default(),
            seccomp: None,
            cgroup,
            console_size: foreground.and_then(Foreground::size),
            init_binary: None,
            // Whoever ran `create` ends before the container does.
            orphan: runtime::Orphan::Lives,
            extras: Extras {
                root_change: match self.create.no_pivot {
                    true => RootChange::Move,
                    false => RootChange::Pivot,
                },
                inherited,
                keyring: match self.create.no_new_keyring {
                    true => Keyring::Inherited,
                    false => Keyring::Own,
                },
                ..Extras::default()
            },
        };
        Ok(runtime::create_behind_fifo(launch, fifo)?)
    }

    fn record(&self, mut created: Created, cgroup_path: String) -> anyhow::Result<Made> {
        let host_root = created.host_root().cloned();
        let recorded = self.hand_over(&mut created).and_then(|terminal| {
            self.save(created.pid(), cgroup_path, host_root.clone()).map(|()| terminal)
        });
        match recorded {
            Ok(terminal) => Ok(Made { running: created.leave()?, terminal }),
            Err(error) => {
                drop(created);
                if let Some(root) = host_root {
                    root.detach()?;
                }
                Err(error)
            }
        }
    }

    fn hand_over(&self, created: &mut Created) -> anyhow::Result<Option<OwnedFd>> {
        match (&self.create.console_socket, created.take_terminal()) {
            (Some(path), Some(terminal)) => {
                descriptors::send(path, "/dev/ptmx", terminal.as_fd()).map(|()| None)
            }
            (_, terminal) => Ok(terminal),
        }
    }

    fn save(
        &self,
        pid: i32,
        cgroup_path: String,
        host_root: Option<HostRoot>,
    ) -> anyhow::Result<()> {
        let record = Record {
            id: self.create.id.clone(),
            pid,
            start_time: state::start_time(pid).context("init has ended")?,
            bundle: self.bundle.clone(),
            created: report::now(),
            cgroup_path,
            host_root,
            spec: self.spec.clone(),
        };
        record.save(&self.directory)?;
        write_pid_file(self.create.pid_file.as_deref(), pid)
    }
}

/// The specification wants a warning for names that are passed over.
pub fn warn_of_capabilities(process: &Process) {
    let names =
        process.capabilities.as_ref().map(runtime::unknown_capabilities).unwrap_or_default();
    if !names.is_empty() {
        let names = names.join(" ");
        report::warning(&format!("ignoring unknown or unavailable capabilities: [{names}]"));
    }
}

fn load_spec(bundle: &Path) -> anyhow::Result<Spec> {
    let path = bundle.join("config.json");
    let json = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let spec: Spec =
        serde_json::from_slice(&json).with_context(|| format!("decode {}", path.display()))?;
    if !spec.oci_version.starts_with("1.") {
        bail!("unsupported ociVersion {:?}", spec.oci_version);
    }
    Ok(spec)
}

fn cgroup_path(spec: &Spec, id: &str) -> anyhow::Result<String> {
    let given = spec.linux.as_ref().and_then(|l| l.cgroups_path.as_deref());
    Ok(match given.filter(|p| !p.is_empty()) {
        None => format!("/{id}"),
        Some(path) if path.contains(':') => {
            bail!("cgroupsPath {path:?} is systemd's form, which is not supported")
        }
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(path) => format!("/{path}"),
    })
}

/// Writes a pid where the caller wants it, whole or not at all.
pub fn write_pid_file(path: Option<&Path>, pid: i32) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let draft = path.with_extension("new");
    fs::write(&draft, pid.to_string())
        .and_then(|()| fs::rename(&draft, path))
        .with_context(|| format!("write {}", path.display()))
}
