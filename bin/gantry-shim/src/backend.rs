//! What a container runtime does for the supervisor.
//!
//! Two implementations: Gantry's own runtime in this process, and an external OCI runtime by its
//! command line. Processes become children of the shim either way (an external runtime's
//! detached ones because the shim is a subreaper), so reaping is the same for both.

pub mod external;
pub mod own;

use std::{collections::BTreeMap, os::fd::OwnedFd};

use oci::runtime::LinuxResources;
use runtime::RuntimeErrorKind;
use shim_protocol::{ExecRequest, Failure, FailureKind, StartRequest};

use crate::stream::ChildStdio;

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

/// A container that a runtime has started.
pub trait Backend: std::fmt::Debug {
    /// Runs a further process.
    ///
    /// # Errors
    /// The complete failure; nothing is left of the process.
    fn exec(&mut self, request: &ExecRequest, stdio: ChildStdio) -> Result<Launched, Failure>;

    /// Changes limits.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn update(&mut self, resources: &LinuxResources) -> Result<(), Failure>;

    /// Stops every process.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn freeze(&mut self) -> Result<(), Failure>;

    /// Lets them go on.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn thaw(&mut self) -> Result<(), Failure>;

    /// Ends every process that is left, when init has ended.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn end_leftovers(&mut self) -> Result<(), Failure>;

    /// How often the OOM killer acted in the container.
    ///
    /// # Errors
    /// When the counter cannot be read.
    fn oom_kills(&self) -> Result<u64, Failure>;

    /// A descriptor that becomes readable when the container runs out of memory, once, if the
    /// host can tell.
    fn take_memory_watch(&mut self) -> Option<OwnedFd>;

    /// Removes what the runtime keeps of the container, its cgroup included.
    ///
    /// # Errors
    /// What is left.
    fn delete(&mut self) -> Result<(), Failure>;
}

/// The protocol's name for a runtime's kind of error.
#[must_use]
pub fn kind_of(kind: RuntimeErrorKind) -> FailureKind {
    match kind {
        RuntimeErrorKind::CommandNotFound => FailureKind::CommandNotFound,
        RuntimeErrorKind::CommandNotExecutable => FailureKind::CommandNotExecutable,
        RuntimeErrorKind::Invalid => FailureKind::Invalid,
        RuntimeErrorKind::NotFound => FailureKind::NotFound,
        RuntimeErrorKind::Conflict => FailureKind::Conflict,
        RuntimeErrorKind::Internal => FailureKind::Internal,
    }
}
