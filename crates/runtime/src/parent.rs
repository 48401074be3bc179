//! The creator's side: cloning, placing and talking to the new process.

use std::{
    cell::Cell,
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags},
    process::{DumpableBehavior, Pid, Signal, WaitIdOptions},
};
use sys::clone::Birth;

use crate::{
    cgroup::Cgroup,
    channel::{Channel, FromChild, ToChild},
    error::RuntimeError,
    listener::Agent,
    namespace::NamespaceKind,
};

/// File system type number of procfs (linux/magic.h).
pub(crate) const PROC_MAGIC: i64 = 0x9fa0;

/// The host's procfs, verified to be one.
pub(crate) fn open_host_proc() -> Result<OwnedFd, RuntimeError> {
    let fail = |e| RuntimeError::system("open", "/proc", e);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty()).map_err(fail)?;
    let kind = rustix::fs::fstatfs(&proc).map_err(fail)?.f_type;
    if kind as i64 == PROC_MAGIC { Ok(proc) } else { Err(fail(rustix::io::Errno::NODEV)) }
}

/// A process that is being set up. Dropped before it is released, it is killed and reaped.
#[derive(Debug)]
pub(crate) struct Nascent {
    pub(crate) pid: i32,
    pidfd: Option<OwnedFd>,
    channel: Channel,
}

/// How the conversation up to the gate went.
pub(crate) struct Conversation<'a> {
    /// Runs the hooks that belong to the creator.
    pub(crate) on_hooks: &'a mut dyn FnMut(i32) -> Result<(), RuntimeError>,
    /// Sets the clocks of the child's new time namespace.
    pub(crate) on_clocks: &'a mut dyn FnMut(i32) -> Result<(), RuntimeError>,
    /// Gets a seccomp listener.
    pub(crate) agent: Option<&'a Agent>,
}

impl Nascent {
    /// Clones; `body` runs in the child with its end of the channel.
    ///
    /// The creator is not dumpable meanwhile, and so the child is not either until it executes:
    /// a process of a container that is joined can then neither trace it nor reach the host's
    /// executable or descriptors through its `/proc` entry (CVE-2016-9962, CVE-2019-5736).
    pub(crate) fn spawn(
        birth: Birth<'_>,
        joined: &[(NamespaceKind, BorrowedFd<'_>)],
        body: impl FnOnce(&Channel) -> RuntimeError,
    ) -> Result<Self, RuntimeError> {
        let (ours, theirs) = Channel::pair()?;
        let ours = Cell::new(Some(ours));
        let child = {
            let _hidden = Hidden::enter()?;
            let _joined = Joined::enter(joined)?;
            sys::clone::spawn(birth, || {
                drop(ours.take());
                let error = body(&theirs);
                theirs.fail(&error);
                1
            })
            .map_err(|e| RuntimeError::system("clone", "init", e))?
        };
        drop(theirs);
        let channel = ours.take().ok_or(RuntimeError::InitVanished)?;
        Ok(Self { pid: child.pid, pidfd: Some(child.pidfd), channel })
    }

    /// Puts the child into its cgroup and lets it go on. `prepare` comes before, `complete` after.
    pub(crate) fn place(
        &self,
        cgroup: &Cgroup,
        prepare: impl FnOnce(i32) -> Result<(), RuntimeError>,
        complete: impl FnOnce(i32) -> Result<(), RuntimeError>,
    ) -> Result<(), RuntimeError> {
        let placed = prepare(self.pid)
            .and_then(|()| cgroup.add_newborn(self.pid).map_err(RuntimeError::from))
            .and_then(|()| complete(self.pid))
            .and_then(|()| self.channel.tell(ToChild::Placed));
        // A child that has failed is gone or hangs up: its own words say why.
        placed.map_err(|error| self.last_words().unwrap_or(error))
    }

    /// What a child said before it hung up; its words are there before its channel is closed and
    /// long before it has ended.
    fn last_words(&self) -> Option<RuntimeError> {
        match self.channel.is_readable().then(|| self.channel.receive()) {
            Some(Ok(FromChild::Failed(error))) => Some(error),
            _ => None,
        }
    }

    /// Serves the child until it stands at the gate; returns the terminal if it made one.
    pub(crate) fn converse(
        &self,
        conversation: &mut Conversation<'_>,
    ) -> Result<Option<OwnedFd>, RuntimeError> {
        let mut terminal = None;
        loop {
            match self.channel.receive()? {
                FromChild::Terminal(fd) => terminal = Some(fd),
                FromChild::Hooks => {
                    (conversation.on_hooks)(self.pid)?;
                    self.channel.tell(ToChild::Placed)?;
                }
                FromChild::Clocks => {
                    (conversation.on_clocks)(self.pid)?;
                    self.channel.tell(ToChild::Placed)?;
                }
                FromChild::Listener(number) => {
                    let agent = conversation.agent.ok_or(RuntimeError::InitVanished)?;
                    let pidfd = self.pidfd().ok_or(RuntimeError::InitVanished)?;
                    agent.send((self.pid, pidfd), number)?;
                    self.channel.tell(ToChild::Placed)?;
                }
                FromChild::Ready => return Ok(terminal),
                FromChild::Failed(error) => return Err(error),
                FromChild::Closed => return Err(RuntimeError::InitVanished),
            }
        }
    }

    /// Opens the gate and waits for the outcome of `execve`.
    pub(crate) fn release(mut self) -> Result<(i32, OwnedFd), RuntimeError> {
        self.channel.tell(ToChild::Start)?;
        match self.channel.receive()? {
            FromChild::Failed(error) => return Err(error),
            // The channel also closes when the child is killed before `execve`; that is an exit
            // like any other, which the caller sees when it waits.
            FromChild::Closed => {}
            _ => return Err(RuntimeError::InitVanished),
        }
        self.detach()
    }

    /// Gives the process away as it is.
    pub(crate) fn detach(&mut self) -> Result<(i32, OwnedFd), RuntimeError> {
        let pidfd = self.pidfd.take().ok_or(RuntimeError::InitVanished)?;
        Ok((self.pid, pidfd))
    }

    /// Refers to the process.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for Nascent {
    fn drop(&mut self) {
        let Some(pidfd) = self.pidfd.take() else { return };
        // It may have ended by itself; then there is only the reaping to do.
        let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
        let id = rustix::process::WaitId::PidFd(pidfd.as_fd());
        let _ = rustix::io::retry_on_intr(|| {
            rustix::process::waitid(id.clone(), WaitIdOptions::EXITED)
        });
    }
}

/// Makes the creator non-dumpable for a while.
struct Hidden(bool);

impl Hidden {
    fn enter() -> Result<Self, RuntimeError> {
        let fail = |e| RuntimeError::system("change", "dumpable", e);
        let was = rustix::process::dumpable_behavior().map_err(fail)?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(fail)?;
        Ok(Self(was == DumpableBehavior::Dumpable))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if self.0 {
            // Setting a valid value on oneself cannot fail.
            let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
        }
    }
}

/// Namespaces that the creator itself enters for the clone: the pid namespace (which counts for
/// children only), and, when the child gets a new user namespace, all that are joined (the child
/// would have no privilege over them).
struct Joined(Vec<(NamespaceKind, OwnedFd)>);

impl Joined {
    fn enter(joined: &[(NamespaceKind, BorrowedFd<'_>)]) -> Result<Self, RuntimeError> {
        let mut own = Self(Vec::new());
        for (kind, namespace) in joined {
            let path = format!("/proc/self/ns/{}", kind.proc_name());
            let back = File::open(&path).map_err(|e| RuntimeError::system("open", &path, e))?;
            sys::process::join_namespace(*namespace, kind.flag())
                .map_err(|e| RuntimeError::system("join namespace", kind.proc_name(), e))?;
            own.0.push((*kind, back.into()));
        }
        Ok(own)
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        for (kind, own) in self.0.drain(..).rev() {
            if let Err(error) = sys::process::join_namespace(own.as_fd(), kind.flag()) {
                // Going on in a container's namespace would be worse than ending.
                eprintln!(
                    "gantry runtime: cannot return to own {} namespace: {error}",
                    kind.proc_name()
                );
                std::process::abort();
            }
        }
    }
}

/// A pid as rustix has it.
pub(crate) fn to_pid(pid: i32) -> Result<Pid, RuntimeError> {
    Pid::from_raw(pid)
        .filter(|_| pid > 0)
        .ok_or_else(|| RuntimeError::field("pid", pid, "is not a process"))
}
