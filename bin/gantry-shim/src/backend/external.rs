//! An external OCI runtime, by its command line.

use oci::runtime::LinuxResources;
use shim_protocol::{ExecRequest, ExternalRuntime, Failure};
use std::os::fd::OwnedFd;

use super::{Backend, Launch, Launched};
use crate::{failure, stream::ChildStdio};

/// A container of an external runtime.
#[derive(Debug)]
pub enum External {}

/// Not built yet.
///
/// # Errors
/// Always.
pub fn start(_: Launch, program: ExternalRuntime) -> Result<(External, Launched), Failure> {
    Err(failure::invalid(format!(
        "external runtimes are not supported: {}",
        program.path.display()
    )))
}

impl Backend for External {
    fn exec(&mut self, _: &ExecRequest, _: ChildStdio) -> Result<Launched, Failure> {
        match *self {}
    }
    fn update(&mut self, _: &LinuxResources) -> Result<(), Failure> {
        match *self {}
    }
    fn freeze(&mut self) -> Result<(), Failure> {
        match *self {}
    }
    fn thaw(&mut self) -> Result<(), Failure> {
        match *self {}
    }
    fn end_leftovers(&mut self) -> Result<(), Failure> {
        match *self {}
    }
    fn oom_kills(&self) -> Result<u64, Failure> {
        match *self {}
    }
    fn take_memory_watch(&mut self) -> Option<OwnedFd> {
        match *self {}
    }
    fn delete(&mut self) -> Result<(), Failure> {
        match *self {}
    }
}
