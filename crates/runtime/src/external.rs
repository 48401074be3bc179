//! Other OCI runtimes (`runc`, `crun`, `youki`, ...), by their command line.
//!
//! Such a runtime wants its root on the host: it is mounted at `BUNDLE/rootfs` and unmounted by
//! [`External::delete`]. Its init becomes this process's child because this process makes itself
//! a subreaper. Compiled seccomp programs cannot be handed over; the policy stays in the
//! configuration.

use std::{
    fs::{self, File},
    io::{IoSliceMut, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio as ChildStdio},
};

use oci::runtime::{Namespace, Root, Spec};
use rustix::{
    mount::UnmountFlags,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::{PidfdFlags, Signal, WaitIdOptions},
};

use crate::{
    error::{RuntimeError, RuntimeErrorKind},
    exec::ExecLaunch,
    launch::{Launch, Running},
    mount_plan,
    namespace::NamespaceKind,
    oci_runtime::{OciRuntime, Pending},
    parent::to_pid,
    stdio::Stdio,
    tree,
};

/// Upper bound of what is read of a runtime's log.
const MAX_LOG_BYTES: u64 = 1 << 20;

/// Known to every runtime that is about.
const OLDEST_VERSION: &str = "1.0.2";

/// An OCI runtime's command line.
#[derive(Debug, Clone)]
pub struct External {
    /// The program.
    pub path: PathBuf,
    /// Before the subcommand.
    pub args: Vec<String>,
    /// Its state directory (`--root`).
    pub root: PathBuf,
    /// The container's bundle, in which its files are put.
    pub bundle: PathBuf,
}

/// A container that an external runtime has created.
#[derive(Debug)]
pub struct ExternalPending {
    runtime: External,
    id: String,
    pid: i32,
    pidfd: OwnedFd,
    terminal: Option<OwnedFd>,
}

impl External {
    fn log(&self) -> PathBuf {
        self.bundle.join("runtime.log")
    }

    fn mount_point(&self) -> PathBuf {
        self.bundle.join("rootfs")
    }

    fn command(&self, operation: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.args).arg("--root").arg(&self.root);
        command.arg("--log").arg(self.log()).args(["--log-format", "json"]).arg(operation);
        command.stdin(ChildStdio::null()).stdout(ChildStdio::null()).stderr(ChildStdio::null());
        command
    }

    fn run(&self, operation: &'static str, command: &mut Command) -> Result<(), RuntimeError> {
        // Each run's failure is told by its own log.
        let _ = fs::remove_file(self.log());
        let status =
            command.status().map_err(|e| RuntimeError::system("run", self.path.display(), e))?;
        if status.success() {
            return Ok(());
        }
        let message = last_error(&self.log()).unwrap_or_else(|| status.to_string());
        let kind = kind_of(&message);
        Err(RuntimeError::External { runtime: self.path.clone(), operation, message, kind })
    }

    fn write_config(&self, launch: &Launch<'_>) -> Result<(), RuntimeError> {
        let spec = external_spec(launch);
        let path = self.bundle.join("config.json");
        let json = serde_json::to_vec(&spec).map_err(|e| {
            RuntimeError::system("encode", path.display(), std::io::Error::other(e))
        })?;
        fs::write(&path, json).map_err(|e| RuntimeError::system("write", path.display(), e))
    }

    fn mount_root(&self, launch: &Launch<'_>) -> Result<(), RuntimeError> {
        let point = self.mount_point();
        let fail = |e| RuntimeError::system("mount root at", point.display(), e);
        fs::create_dir_all(&point).map_err(fail)?;
        let root = mount_plan::RootPlan::new(launch.spec, launch.rootfs, None)?;
        let target = File::open(&point).map_err(fail)?;
        tree::attach(root.mount.as_fd(), target.as_fd()).map_err(|e| fail(e.into()))
    }

    fn unmount_root(&self) -> Result<(), RuntimeError> {
        let point = self.mount_point();
        match rustix::mount::unmount(&point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            // Not mounted (any more).
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(RuntimeError::system("unmount", point.display(), e)),
        }
    }

    /// Runs a subcommand that makes a process; its pid and terminal.
    fn spawn(
        &self,
        operation: &'static str,
        mut command: Command,
        stdio: Stdio,
        id: &str,
    ) -> Result<(Running, Option<OwnedFd>), RuntimeError> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|e| RuntimeError::system("become", "subreaper", e))?;
        let pid_file = self.bundle.join(format!("{operation}.pid"));
        command.arg("--pid-file").arg(&pid_file);
        let socket = matches!(stdio, Stdio::Terminal)
            .then(|| ConsoleSocket::listen(&self.bundle, operation))
            .transpose()?;
        if let Some(socket) = &socket {
            command.arg("--console-socket").arg(socket.path());
        }
        command.arg(id);
        match stdio {
            Stdio::Inherit => {
                command.stdin(ChildStdio::inherit());
                command.stdout(ChildStdio::inherit()).stderr(ChildStdio::inherit());
            }
            Stdio::Fds { stdin, stdout, stderr } => {
                command.stdin(stdin).stdout(stdout).stderr(stderr);
            }
            Stdio::Terminal => {}
        }
        let outcome = self.run(operation, &mut command);
        // The command holds the streams' descriptors; an end of file must not wait for it.
        drop(command);
        let terminal = match (&outcome, &socket) {
            (Ok(()), Some(socket)) => Some(receive_terminal(&socket.listener)?),
            _ => None,
        };
        outcome?;
        let text = fs::read_to_string(&pid_file)
            .map_err(|e| RuntimeError::system("read", pid_file.display(), e))?;
        let pid = text.trim().parse().unwrap_or(0);
        let pidfd = rustix::process::pidfd_open(to_pid(pid)?, PidfdFlags::empty())
            .map_err(|e| RuntimeError::system("find process", pid, e))?;
        Ok((Running { pid, pidfd, mounts: None }, terminal))
    }
}

/// Where an external runtime sends a terminal.
struct ConsoleSocket {
    listener: UnixListener,
    /// The bundle; a container's directory may be longer than an address of a socket can be, so
    /// it is named by this descriptor of ours.
    directory: File,
    name: String,
}

impl ConsoleSocket {
    fn listen(bundle: &Path, operation: &str) -> Result<Self, RuntimeError> {
        let fail = |e| RuntimeError::system("listen in", bundle.display(), e);
        let name = format!("{operation}.sock");
        let _ = fs::remove_file(bundle.join(&name));
        let directory = File::open(bundle).map_err(fail)?;
        let listener = UnixListener::bind(path_below(&directory, &name)).map_err(fail)?;
        Ok(Self { listener, directory, name })
    }

    fn path(&self) -> PathBuf {
        path_below(&self.directory, &self.name)
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        // What stays is replaced by the next.
        let _ = fs::remove_file(self.path());
    }
}

/// A short path to `name`, good for every process of this pid namespace.
fn path_below(directory: &File, name: &str) -> PathBuf {
    format!("/proc/{}/fd/{}/{name}", std::process::id(), directory.as_raw_fd()).into()
}

/// The configuration as an external runtime needs it.
fn external_spec(launch: &Launch<'_>) -> Spec {
    let mut spec = launch.spec.clone();
    // Nothing that Gantry writes needs more, and older runtimes refuse what they do not know.
    OLDEST_VERSION.clone_into(&mut spec.oci_version);
    if let Some(binary) = launch.init_binary {
        spec.mounts.push(mount_plan::init_mount(binary));
        if let Some(process) = &mut spec.process {
            let words = [mount_plan::INIT_DESTINATION, "--"].map(str::to_owned);
            process.args.splice(0..0, words);
        }
    }
    let readonly = spec.root.as_ref().is_some_and(|r| r.readonly);
    spec.root = Some(Root { path: PathBuf::from("rootfs"), readonly });
    let linux = spec.linux.get_or_insert_default();
    linux.cgroups_path = Some(launch.cgroup.path().to_owned());
    for (kind, namespace) in &launch.namespaces {
        let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        linux.namespaces.retain(|n| NamespaceKind::parse(&n.kind) != Some(*kind));
        let name = match kind {
            NamespaceKind::Network => "network",
            NamespaceKind::Mount => "mount",
            other => other.proc_name(),
        };
        linux.namespaces.push(Namespace { kind: name.to_owned(), path: Some(path.into()) });
    }
    spec
}

/// The last error of a runtime's JSON log.
fn last_error(log: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(log).ok()?.take(MAX_LOG_BYTES).read_to_string(&mut text).ok()?;
    text.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|entry| matches!(entry["level"].as_str(), Some("error" | "fatal")))
        .filter_map(|entry| entry["msg"].as_str().map(str::to_owned))
        .next_back()
}

/// Runtimes tell the kind by words only; these are the ones that Docker looks for.
fn kind_of(message: &str) -> RuntimeErrorKind {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["executable file not found", "no such file or directory"]) {
        RuntimeErrorKind::CommandNotFound
    } else if has(&["permission denied", "is a directory", "exec format error"]) {
        RuntimeErrorKind::CommandNotExecutable
    } else if has(&["does not exist"]) {
        RuntimeErrorKind::NotFound
    } else {
        RuntimeErrorKind::Internal
    }
}

fn receive_terminal(listener: &UnixListener) -> Result<OwnedFd, RuntimeError> {
    let fail = |e: std::io::Error| RuntimeError::system("receive", "terminal", e);
    // The runtime has ended successfully: its connection is there, or never comes.
    listener.set_nonblocking(true).map_err(fail)?;
    let (stream, _): (UnixStream, _) = listener.accept().map_err(fail)?;
    let mut name = [0u8; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut name)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .map_err(|e| fail(e.into()))?;
    control
        .drain()
        .find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        })
        .ok_or_else(|| fail(std::io::ErrorKind::UnexpectedEof.into()))
}

impl OciRuntime for External {
    fn create(&self, launch: Launch<'_>) -> Result<Box<dyn Pending>, RuntimeError> {
        self.write_config(&launch)?;
        self.mount_root(&launch)?;
        let mut command = self.command("create");
        command.arg("--bundle").arg(&self.bundle);
        match self.spawn("create", command, launch.stdio, launch.id) {
            Ok((running, terminal)) => Ok(Box::new(ExternalPending {
                runtime: self.clone(),
                id: launch.id.to_owned(),
                pid: running.pid,
                pidfd: running.pidfd,
                terminal,
            })),
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.delete(launch.id);
                Err(error)
            }
        }
    }

    fn exec(
        &self,
        id: &str,
        launch: ExecLaunch<'_>,
    ) -> Result<(Running, Option<OwnedFd>), RuntimeError> {
        let path = self.bundle.join("exec.json");
        let mut process = launch.process.clone();
        if let (Some((width, height)), true) = (launch.console_size, process.terminal) {
            process.console_size = Some(oci::runtime::ConsoleSize { height, width });
        }
        let json = serde_json::to_vec(&process).map_err(|e| {
            RuntimeError::system("encode", path.display(), std::io::Error::other(e))
        })?;
        fs::write(&path, json).map_err(|e| RuntimeError::system("write", path.display(), e))?;
        let mut command = self.command("exec");
        command.arg("--detach").arg("--process").arg(&path);
        self.spawn("exec", command, launch.stdio, id)
    }

    fn delete(&self, id: &str) -> Result<(), RuntimeError> {
        let deleted =
            self.run("delete", self.command("delete").arg("--force").arg(id)).or_else(|error| {
                let is_gone = error.runtime_kind() == RuntimeErrorKind::NotFound;
                if is_gone { Ok(()) } else { Err(error) }
            });
        self.unmount_root().and(deleted)
    }
}

impl Pending for ExternalPending {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    fn start(self: Box<Self>) -> Result<Running, RuntimeError> {
        let runtime = &self.runtime;
        if let Err(error) = runtime.run("start", runtime.command("start").arg(&self.id)) {
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
            let id = rustix::process::WaitId::PidFd(self.pidfd.as_fd());
            let _ = rustix::process::waitid(id, WaitIdOptions::EXITED);
            // The first error is the one to tell.
            let _ = runtime.delete(&self.id);
            return Err(error);
        }
        Ok(Running { pid: self.pid, pidfd: self.pidfd, mounts: None })
    }
}
