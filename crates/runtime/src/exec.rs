//! One more process in a running container.

use std::{
    fs::File,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
};

use oci::runtime::{Process, Seccomp};
use rustix::{
    fs::{Mode, OFlags},
    process::PidfdFlags,
};
use sys::clone::Birth;

use crate::{
    affinity::Affinity,
    cgroup::Cgroup,
    channel::{Channel, ToChild},
    error::RuntimeError,
    filter::Filter,
    init::{become_root, renew_keyring},
    launch::Running,
    listener::Agent,
    namespace::NamespaceKind,
    parent::{Conversation, Nascent, open_host_proc, to_pid},
    process::ProcessPlan,
    stdio::Stdio,
    terminal::Terminal,
    tree::Tree,
};

/// What [`exec`] needs to know.
#[derive(Debug)]
pub struct ExecLaunch<'a> {
    /// The container's init, in the caller's pid namespace.
    pub init_pid: i32,
    /// What to run and as whom.
    pub process: &'a Process,
    /// Where the standard streams lead.
    pub stdio: Stdio,
    /// The container's filter, so that it is confined alike.
    pub seccomp: Option<&'a [u8]>,
    /// The container's.
    pub cgroup: &'a Cgroup,
    /// Columns and rows; overrides `process.consoleSize`.
    pub console_size: Option<(u16, u16)>,
    /// How many descriptors from 3 up the process inherits.
    pub inherited: u32,
    /// The container's policy: flags and listener of its filter.
    pub policy: Option<&'a Seccomp>,
    /// Who answers the listener of the filter.
    pub agent: Option<Agent>,
}

/// The namespaces of a process that are not the caller's.
struct Target {
    pidfd: OwnedFd,
    kinds: Vec<NamespaceKind>,
    pid_namespace: Option<OwnedFd>,
}

impl Target {
    fn find(init_pid: i32) -> Result<Self, RuntimeError> {
        let fail = |e| RuntimeError::system("find", format!("process {init_pid}"), e);
        let pidfd =
            rustix::process::pidfd_open(to_pid(init_pid)?, PidfdFlags::empty()).map_err(fail)?;
        let (mut kinds, mut pid_namespace) = (Vec::new(), None);
        for kind in NamespaceKind::ALL {
            let (own, theirs) = (open_namespace("self", kind)?, open_namespace(init_pid, kind)?);
            let (Some(own), Some(theirs)) = (own, theirs) else { continue };
            if identity(&own)? == identity(&theirs)? {
                continue;
            }
            if kind == NamespaceKind::Pid {
                pid_namespace = Some(theirs.into());
            } else {
                kinds.push(kind);
            }
        }
        Ok(Self { pidfd, kinds, pid_namespace })
    }

    /// Child: enters them, all at once.
    fn enter(&self) -> Result<(), RuntimeError> {
        let flags = self.kinds.iter().fold(0, |flags, kind| flags | kind.flag());
        if flags != 0 {
            sys::process::join_namespace(self.pidfd.as_fd(), flags)
                .map_err(|e| RuntimeError::system("join namespaces of", "init", e))?;
        }
        if self.is_user_namespace_joined() { become_root() } else { Ok(()) }
    }

    fn is_user_namespace_joined(&self) -> bool {
        self.kinds.contains(&NamespaceKind::User)
    }
}

fn open_namespace(
    process: impl std::fmt::Display,
    kind: NamespaceKind,
) -> Result<Option<File>, RuntimeError> {
    let path = format!("/proc/{process}/ns/{}", kind.proc_name());
    match File::open(&path) {
        Ok(file) => Ok(Some(file)),
        // A kernel without this kind.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && kind == NamespaceKind::Time => {
            Ok(None)
        }
        Err(e) => Err(RuntimeError::system("open", path, e)),
    }
}

fn identity(namespace: &File) -> Result<(u64, u64), RuntimeError> {
    let meta = namespace.metadata().map_err(|e| RuntimeError::system("stat", "namespace", e))?;
    Ok((meta.dev(), meta.ino()))
}

/// Runs a process in the namespaces and the cgroup of a container; returns after `execve`, with
/// the terminal's controlling end if it has one.
///
/// # Errors
/// As for [`crate::create`] and [`crate::Created::start`].
pub fn exec(launch: ExecLaunch<'_>) -> Result<(Running, Option<OwnedFd>), RuntimeError> {
    let process = launch.process;
    let mut plan = ProcessPlan::new(process, Filter::plan(launch.seccomp, launch.policy)?, None)?;
    plan.set_inherited(launch.inherited);
    let limits = plan.limits();
    let affinity = Affinity::plan(process.exec_cpu_affinity.as_ref())?;
    let target = Target::find(launch.init_pid)?;
    let host_proc = open_host_proc()?;
    let pid_namespace = target.pid_namespace.as_ref().map(AsFd::as_fd);
    let early: Vec<(NamespaceKind, BorrowedFd<'_>)> =
        pid_namespace.map(|fd| (NamespaceKind::Pid, fd)).into_iter().collect();
    let cgroup_directory = launch.cgroup.open_unified()?;
    let birth = Birth { flags: 0, cgroup: cgroup_directory.as_ref().map(AsFd::as_fd) };
    let console_size =
        launch.console_size.or_else(|| process.console_size.map(|size| (size.width, size.height)));
    let stdio = launch.stdio;
    let nascent = Nascent::spawn(birth, &early, |channel| {
        let entrant = Entrant { target: &target, stdio: &stdio, host_proc, console_size };
        match entrant.advance(plan, process.terminal, channel) {
            Err(error) => error,
            Ok(never) => match never {},
        }
    })?;
    nascent.place(
        launch.cgroup,
        |pid| {
            if target.is_user_namespace_joined() {
                limits.apply(pid)?;
            }
            affinity.apply_initial(pid)?;
            limits.apply_oom_score(pid)
        },
        |pid| affinity.apply_last(pid),
    )?;
    let terminal = nascent.converse(&mut Conversation {
        on_hooks: &mut |_| Err(RuntimeError::InitVanished),
        on_clocks: &mut |_| Err(RuntimeError::InitVanished),
        agent: launch.agent.as_ref(),
    })?;
    let (pid, pidfd) = nascent.release()?;
    Ok((Running { pid, pidfd, mounts: None }, terminal))
}

/// The child of [`exec`].
struct Entrant<'a> {
    target: &'a Target,
    stdio: &'a Stdio,
    host_proc: OwnedFd,
    console_size: Option<(u16, u16)>,
}

impl Entrant<'_> {
    fn advance(
        self,
        mut process: ProcessPlan,
        has_terminal: bool,
        channel: &Channel,
    ) -> Result<std::convert::Infallible, RuntimeError> {
        sys::process::reset_signals();
        rustix::process::setsid().map_err(|e| RuntimeError::system("setsid", "", e))?;
        self.stdio.install()?;
        channel.expect(ToChild::Placed)?;
        self.target.enter()?;
        renew_keyring()?;
        if has_terminal {
            let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .map_err(|e| RuntimeError::system("open", "/", e))?;
            let terminal = Terminal::open(&Tree::new(root), self.console_size)?;
            terminal.take_control()?;
            channel.send_terminal(&terminal.controller)?;
        }
        process.own_streams()?;
        if !self.target.is_user_namespace_joined() {
            process.limit_self()?;
        }
        process.confine(self.host_proc.as_fd(), channel)?;
        let program = process.find_program()?;
        process.load_listening_filter(channel)?;
        channel.ready()?;
        channel.expect(ToChild::Start)?;
        Err(process.execute(&program, channel))
    }
}
