//! What a container's init does between its birth and `execve`.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use oci::runtime::{Hooks, State, TimeOffset};
use rustix::{
    fs::{Gid, Mode, OFlags, Uid},
    io::Errno,
};

use crate::{
    channel::{Channel, ToChild, failure_bytes},
    error::RuntimeError,
    hook::{self, Point},
    launch::Keyring,
    namespace::{NamespaceKind, Namespaces},
    process::ProcessPlan,
    rootfs::{Contents, Setting},
    stdio::Stdio,
    sysctl,
    terminal::Terminal,
};

/// Where init waits for the start.
#[derive(Debug)]
pub(crate) enum Gate {
    /// For its creator's word.
    Channel,
    /// For a reader of this FIFO (`O_PATH`).
    Fifo(OwnedFd),
}

/// All that init needs.
pub(crate) struct Init {
    pub(crate) contents: Contents,
    pub(crate) process: ProcessPlan,
    pub(crate) namespaces: Namespaces,
    pub(crate) stdio: Stdio,
    pub(crate) terminal: bool,
    pub(crate) console_size: Option<(u16, u16)>,
    pub(crate) hostname: Option<String>,
    pub(crate) domainname: Option<String>,
    pub(crate) time_offsets: BTreeMap<String, TimeOffset>,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) hooks: Hooks,
    pub(crate) state: State,
    pub(crate) host_proc: OwnedFd,
    pub(crate) has_mappings: bool,
    pub(crate) keyring: Keyring,
    pub(crate) gate: Gate,
}

impl Init {
    /// Runs to `execve`; comes back only with an error.
    pub(crate) fn run(self, channel: &Channel) -> RuntimeError {
        match self.advance(channel) {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }

    fn advance(self, channel: &Channel) -> Result<Infallible, RuntimeError> {
        let Self { contents, mut process, namespaces, hooks, state, host_proc, gate, .. } = self;
        sys::process::reset_signals();
        rustix::process::setsid().map_err(|e| RuntimeError::system("setsid", "", e))?;
        self.stdio.install()?;
        if self.has_mappings {
            channel.expect(ToChild::Placed)?;
        }
        join(&namespaces)?;
        if self.keyring == Keyring::Own {
            renew_keyring()?;
        }
        contents.entry.isolate()?;
        rustix::process::umask(Mode::empty());
        set_names(self.hostname.as_deref(), self.domainname.as_deref())?;
        if namespaces.is_fresh(NamespaceKind::Time) {
            let creator = self.has_mappings.then_some(channel);
            enter_time_namespace(&host_proc, &self.time_offsets, creator)?;
        }
        let setting = Setting { cwd: process.cwd(), host_proc: host_proc.as_fd() };
        let root = contents.assemble(&setting)?;
        if !self.has_mappings {
            channel.expect(ToChild::Placed)?;
        }
        if namespaces.is_fresh(NamespaceKind::Cgroup) {
            sys::process::unshare_namespaces(libc::CLONE_NEWCGROUP)
                .map_err(|e| RuntimeError::system("unshare", "cgroup namespace", e))?;
        }
        let terminal = if self.terminal {
            let terminal = Terminal::open(root.tree(), self.console_size)?;
            terminal.bind_console(root.tree())?;
            Some(terminal)
        } else {
            None
        };
        root.finish()?;
        sysctl::write_all(&host_proc, &self.sysctls)?;
        if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
            channel.ask_for_hooks()?;
            channel.expect(ToChild::Placed)?;
        }
        let mut state = state;
        state.pid = Some(rustix::process::getpid().as_raw_nonzero().get());
        hook::run_all(Point::CreateContainer, &hooks.create_container, &state)?;
        root.enter()?;
        if let Some(terminal) = terminal {
            terminal.take_control()?;
            channel.send_terminal(&terminal.controller)?;
        }
        process.own_streams()?;
        if !namespaces.is_own(NamespaceKind::User) {
            process.limit_self()?;
        }
        process.confine(host_proc.as_fd(), channel)?;
        let program = process.find_program()?;
        process.load_listening_filter(channel)?;
        channel.ready()?;
        let late = gate.wait(channel, &host_proc)?;
        state.status = "created".to_owned();
        let started = hook::run_all_with(
            Point::StartContainer,
            &hooks.start_container,
            &state,
            Some(process.environment()),
        );
        let error = match started {
            Ok(()) => process.execute(&program, channel),
            Err(error) => error,
        };
        if let Some(fifo) = late {
            // The starter may be gone; there is nobody else to tell.
            let _ = rustix::io::write(&fifo, &failure_bytes(&error));
        }
        Err(error)
    }
}

impl Gate {
    /// Returns when init may go on; the FIFO's open end if there is one, to report on.
    fn wait(
        &self,
        channel: &Channel,
        host_proc: &OwnedFd,
    ) -> Result<Option<OwnedFd>, RuntimeError> {
        match self {
            Self::Channel => channel.expect(ToChild::Start).map(|()| None),
            Self::Fifo(place) => {
                let path = format!("self/fd/{}", place.as_raw_fd());
                let flags = OFlags::WRONLY | OFlags::CLOEXEC;
                let fail = |e| RuntimeError::system("open", "exec fifo", e);
                // Opening for writing blocks until the starter reads.
                let fifo = rustix::io::retry_on_intr(|| {
                    rustix::fs::openat(host_proc, path.as_str(), flags, Mode::empty())
                })
                .map_err(fail)?;
                rustix::io::write(&fifo, b"0").map_err(fail)?;
                Ok(Some(fifo))
            }
        }
    }
}

/// Enters the namespaces that are left to the child, the user namespace first (it gives the
/// privileges over the others), and becomes root in it.
fn join(namespaces: &Namespaces) -> Result<(), RuntimeError> {
    for kind in NamespaceKind::ALL {
        let Some(namespace) = namespaces.joined.get(&kind) else { continue };
        sys::process::join_namespace(namespace.as_fd(), kind.flag())
            .map_err(|e| RuntimeError::system("join namespace", kind.proc_name(), e))?;
    }
    if namespaces.is_own(NamespaceKind::User) { become_root() } else { Ok(()) }
}

/// Leaves the creator's keys behind.
pub(crate) fn renew_keyring() -> Result<(), RuntimeError> {
    sys::process::renew_session_keyring()
        .map_err(|e| RuntimeError::system("make", "session keyring", e))
}

/// Takes the ids 0 of a user namespace.
pub(crate) fn become_root() -> Result<(), RuntimeError> {
    let fail = |e| RuntimeError::system("become root of", "user namespace", e);
    match rustix::thread::set_thread_groups(&[]) {
        Ok(()) | Err(Errno::PERM) => {}
        Err(e) => return Err(fail(e)),
    }
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(fail)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(fail)
}

fn set_names(hostname: Option<&str>, domainname: Option<&str>) -> Result<(), RuntimeError> {
    if let Some(name) = hostname.filter(|n| !n.is_empty()) {
        rustix::system::sethostname(name.as_bytes())
            .map_err(|e| RuntimeError::system("set host name", name, e))?;
    }
    if let Some(name) = domainname.filter(|n| !n.is_empty()) {
        rustix::system::setdomainname(name.as_bytes())
            .map_err(|e| RuntimeError::system("set domain name", name, e))?;
    }
    Ok(())
}

/// As `timens_offsets` has it.
pub(crate) fn clock_text(offsets: &BTreeMap<String, TimeOffset>) -> String {
    offsets
        .iter()
        .map(|(clock, offset)| format!("{clock} {} {}\n", offset.secs, offset.nanosecs))
        .collect()
}

/// Makes a time namespace, sets its clocks while nobody is inside, and enters it. In a user
/// namespace the file is not the process's to write: then the creator does it.
fn enter_time_namespace(
    host_proc: &OwnedFd,
    offsets: &BTreeMap<String, TimeOffset>,
    creator: Option<&Channel>,
) -> Result<(), RuntimeError> {
    let fail = |e: Errno| RuntimeError::system("set up", "time namespace", e);
    sys::process::unshare_namespaces(libc::CLONE_NEWTIME)
        .map_err(|e| RuntimeError::system("unshare", "time namespace", e))?;
    if let (Some(creator), false) = (creator, offsets.is_empty()) {
        creator.ask_for_clocks()?;
        creator.expect(ToChild::Placed)?;
    } else if !offsets.is_empty() {
        let text = clock_text(offsets);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(host_proc, "self/timens_offsets", flags, Mode::empty())
            .map_err(fail)?;
        rustix::io::write(&file, text.as_bytes()).map_err(fail)?;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let own = rustix::fs::openat(host_proc, "self/ns/time_for_children", flags, Mode::empty())
        .map_err(fail)?;
    sys::process::join_namespace(own.as_fd(), libc::CLONE_NEWTIME)
        .map_err(|e| RuntimeError::system("join namespace", "time", e))
}
