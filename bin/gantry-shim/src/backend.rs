//! What container runtimes do for the supervisor.
//!
//! Gantry's own runtime works in this process; others by their command line. Their processes
//! become children of the shim either way (an external runtime's because the shim is a
//! subreaper), and the cgroup is the shim's own in both cases.

use std::{collections::BTreeMap, fs, os::fd::OwnedFd, path::Path};

use oci::runtime::LinuxResources;
use runtime::{
    ExecLaunch, NamespaceKind, Native, OciRuntime, Orphan, Running, RuntimeError, RuntimeErrorKind,
    Stdio, cgroup::Cgroup, exec_failure, external::External, start_failure,
};
use shim_protocol::{ExecRequest, Failure, FailureKind, StartRequest};
use types::ContainerId;

use crate::{failure, memory_watch, stream::ChildStdio};

/// A process that runs.
#[derive(Debug)]
pub struct Launched {
    /// In the shim's pid namespace.
    pub pid: i32,
    /// Its terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// A start, with what belongs to it.
#[derive(Debug)]
pub struct Launch {
    /// As the engine sent it.
    pub request: Box<StartRequest>,
    /// Namespaces to join, by the request's keys.
    pub namespaces: BTreeMap<String, OwnedFd>,
    /// Init's streams.
    pub stdio: ChildStdio,
}

/// A container that has been started.
pub struct Backend {
    id: ContainerId,
    runtime: Box<dyn OciRuntime>,
    cgroup: Cgroup,
    init_pid: i32,
    /// Opened before init could run out of memory, until it is asked for.
    memory: Option<OwnedFd>,
    /// Keeps the mounts beyond init's end, so that its exit need not wait for their removal.
    mounts: Option<OwnedFd>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("id", &self.id).field("cgroup", &self.cgroup).finish()
    }
}

impl Backend {
    /// Makes the cgroup, then the container in it. After a failure neither is left.
    ///
    /// # Errors
    /// The complete failure, in Docker's words.
    pub fn start(launch: Launch) -> Result<(Self, Launched), Failure> {
        let linux = launch.request.spec.linux.as_ref();
        let path = linux
            .and_then(|linux| linux.cgroups_path.as_deref())
            .ok_or_else(|| failure::invalid("the configuration has no linux.cgroupsPath"))?;
        let cgroup = Cgroup::create(path, linux.and_then(|linux| linux.resources.as_ref()))
            .map_err(|error| start_failed(&error.into()))?;
        let (id, runtime) = (launch.request.id.clone(), choose(&launch.request));
        let started = memory_watch::open(&cgroup)
            .map_err(|error| failure::internal("watch memory", &error))
            .and_then(|memory| Ok((memory, create_and_start(&*runtime, launch, &cgroup)?)));
        match started {
            Ok((memory, (running, terminal))) => {
                let Running { pid, mounts, .. } = running;
                let backend = Self { id, runtime, cgroup, init_pid: pid, memory, mounts };
                Ok((backend, Launched { pid, terminal }))
            }
            Err(mut failure) => {
                if let Err(error) = cgroup.delete() {
                    let also = types::error::chain(&error);
                    failure.message.push_str(&format!(" (and its cgroup remains: {also})"));
                }
                Err(failure)
            }
        }
    }

    /// Runs a further process.
    ///
    /// # Errors
    /// The complete failure; nothing is left of the process.
    pub fn exec(&self, request: &ExecRequest, stdio: ChildStdio) -> Result<Launched, Failure> {
        let seccomp = read_filter(request.seccomp_bpf.as_deref())?;
        let launch = ExecLaunch {
            init_pid: self.init_pid,
            process: &request.process,
            stdio: stdio.into(),
            seccomp: seccomp.as_deref(),
            cgroup: &self.cgroup,
            console_size: request.console_size,
            inherited: 0,
            policy: None,
            agent: None,
        };
        let executed = self.runtime.exec(self.id.as_str(), launch);
        let (running, terminal) = executed.map_err(|error| Failure {
            message: exec_failure(&error),
            kind: kind_of(error.runtime_kind()),
        })?;
        Ok(Launched { pid: running.pid, terminal })
    }

    /// Changes limits.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn update(&self, resources: &LinuxResources) -> Result<(), Failure> {
        self.cgroup.update(resources).map_err(|error| failed("update limits", error))
    }

    /// Stops every process.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn freeze(&self) -> Result<(), Failure> {
        self.cgroup.freeze().map_err(|error| failed("pause", error))
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn thaw(&self) -> Result<(), Failure> {
        self.cgroup.thaw().map_err(|error| failed("resume", error))
    }

    /// Ends every process that is left, when init has ended.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn end_leftovers(&self) -> Result<(), Failure> {
        self.cgroup.kill().map_err(|error| failed("end leftover processes", error))
    }

    /// How often the OOM killer acted in the container.
    ///
    /// # Errors
    /// When the counter cannot be read.
    pub fn oom_kills(&self) -> Result<u64, Failure> {
        self.cgroup.oom_kills().map_err(|error| failed("read the OOM counter", error))
    }

    /// A descriptor that becomes readable when the container runs out of memory, once, if the
    /// host can tell.
    pub fn take_memory_watch(&mut self) -> Option<OwnedFd> {
        self.memory.take()
    }

    /// Gives the mounts away; they end with the descriptor, which may take as long as the disk
    /// has to write.
    pub fn take_mounts(&mut self) -> Option<OwnedFd> {
        self.mounts.take()
    }

    /// Removes what is left of an ended container: the runtime's state, the cgroup.
    ///
    /// # Errors
    /// The first failure; every step is tried.
    pub fn delete(&mut self) -> Result<(), Failure> {
        let deleted = self.runtime.delete(self.id.as_str());
        let removed = self.cgroup.delete();
        deleted.map_err(|error| failed("delete the container", error))?;
        removed.map_err(|error| failed("remove the cgroup", error))
    }
}

fn choose(request: &StartRequest) -> Box<dyn OciRuntime> {
    match request.external_runtime.clone() {
        None => Box::new(Native),
        Some(program) => Box::new(External {
            path: program.path,
            args: program.args,
            root: program.root,
            bundle: request.bundle.clone(),
        }),
    }
}

fn create_and_start(
    runtime: &dyn OciRuntime,
    launch: Launch,
    cgroup: &Cgroup,
) -> Result<(Running, Option<OwnedFd>), Failure> {
    let Launch { request, namespaces, stdio } = launch;
    let seccomp = read_filter(request.seccomp_bpf.as_deref())?;
    let launch = runtime::Launch {
        id: request.id.as_str(),
        spec: &request.spec,
        rootfs: &request.rootfs,
        bundle: &request.bundle,
        stdio: stdio.into(),
        namespaces: parse_kinds(namespaces)?,
        seccomp: seccomp.as_deref(),
        cgroup,
        console_size: request.console_size,
        init_binary: request.init_binary.as_deref(),
        orphan: Orphan::Dies,
        extras: runtime::Extras::default(),
    };
    let mut created = runtime.create(launch).map_err(|error| start_failed(&error))?;
    let terminal = created.take_terminal();
    let running = created.start().map_err(|error| start_failed(&error))?;
    Ok((running, terminal))
}

fn parse_kinds(
    namespaces: BTreeMap<String, OwnedFd>,
) -> Result<BTreeMap<NamespaceKind, OwnedFd>, Failure> {
    let parse = |(name, fd): (String, OwnedFd)| match NamespaceKind::parse(&name) {
        Some(kind) => Ok((kind, fd)),
        None => Err(failure::invalid(format!("there is no namespace of kind {name:?}"))),
    };
    namespaces.into_iter().map(parse).collect()
}

fn read_filter(path: Option<&Path>) -> Result<Option<Vec<u8>>, Failure> {
    let read = |path| fs::read(path).map_err(|e| failure::internal("read the seccomp filter", &e));
    path.map(read).transpose()
}

fn start_failed(error: &RuntimeError) -> Failure {
    Failure { message: start_failure(error), kind: kind_of(error.runtime_kind()) }
}

fn failed(operation: &str, error: impl Into<RuntimeError>) -> Failure {
    let error = error.into();
    let message = format!("{operation}: {}", error.message());
    Failure { message, kind: kind_of(error.runtime_kind()) }
}

/// The protocol's name for a runtime's kind of error.
fn kind_of(kind: RuntimeErrorKind) -> FailureKind {
    match kind {
        RuntimeErrorKind::CommandNotFound => FailureKind::CommandNotFound,
        RuntimeErrorKind::CommandNotExecutable => FailureKind::CommandNotExecutable,
        RuntimeErrorKind::Invalid => FailureKind::Invalid,
        RuntimeErrorKind::NotFound => FailureKind::NotFound,
        RuntimeErrorKind::Conflict => FailureKind::Conflict,
        RuntimeErrorKind::Internal => FailureKind::Internal,
    }
}

impl From<ChildStdio> for Stdio {
    fn from(stdio: ChildStdio) -> Self {
        match stdio {
            ChildStdio::Fds { stdin, stdout, stderr } => Self::Fds { stdin, stdout, stderr },
            ChildStdio::Terminal => Self::Terminal,
        }
    }
}
