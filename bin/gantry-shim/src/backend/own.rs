//! Gantry's own runtime, in this process.

use std::{collections::BTreeMap, fs, os::fd::OwnedFd, path::Path};

use oci::runtime::LinuxResources;
use runtime::{
    Created, ExecLaunch, NamespaceKind, RuntimeError, Stdio, cgroup::Cgroup, exec_failure,
    start_failure,
};
use shim_protocol::{ExecRequest, Failure, StartRequest};

use super::{Backend, Launch, Launched, kind_of};
use crate::{failure, memory_watch, stream::ChildStdio};

/// A container of Gantry's own runtime.
#[derive(Debug)]
pub struct Own {
    cgroup: Cgroup,
    init_pid: i32,
    /// Opened before init could run out of memory, until it is asked for.
    memory: Option<OwnedFd>,
}

/// Makes the cgroup, then the container in it. After a failure neither is left.
///
/// # Errors
/// The complete failure, in Docker's words.
pub fn start(launch: Launch) -> Result<(Own, Launched), Failure> {
    let linux = launch.request.spec.linux.as_ref();
    let path = linux
        .and_then(|linux| linux.cgroups_path.as_deref())
        .ok_or_else(|| failure::invalid("the configuration has no linux.cgroupsPath"))?;
    let cgroup = Cgroup::create(path, linux.and_then(|linux| linux.resources.as_ref()))
        .map_err(|error| start_failed(&error.into()))?;
    let started = memory_watch::open(&cgroup)
        .map_err(|error| failure::internal("watch memory", &error))
        .and_then(|memory| Ok((memory, create_and_start(launch, &cgroup)?)));
    match started {
        Ok((memory, launched)) => {
            let init_pid = launched.pid;
            Ok((Own { cgroup, init_pid, memory }, launched))
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

fn create_and_start(launch: Launch, cgroup: &Cgroup) -> Result<Launched, Failure> {
    let Launch { request, namespaces, stdio } = launch;
    let seccomp = read_filter(request.seccomp_bpf.as_deref())?;
    let mut created = create(&request, namespaces, stdio, (cgroup, seccomp.as_deref()))?;
    let terminal = created.take_terminal();
    let running = created.start().map_err(|error| start_failed(&error))?;
    Ok(Launched { pid: running.pid, terminal })
}

fn create(
    request: &StartRequest,
    namespaces: BTreeMap<String, OwnedFd>,
    stdio: ChildStdio,
    (cgroup, seccomp): (&Cgroup, Option<&[u8]>),
) -> Result<Created, Failure> {
    runtime::create(runtime::Launch {
        id: request.id.as_str(),
        spec: &request.spec,
        rootfs: &request.rootfs,
        bundle: &request.bundle,
        stdio: stdio.into(),
        namespaces: parse_kinds(namespaces)?,
        seccomp,
        cgroup,
        console_size: request.console_size,
        init_binary: request.init_binary.as_deref(),
    })
    .map_err(|error| start_failed(&error))
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

impl From<ChildStdio> for Stdio {
    fn from(stdio: ChildStdio) -> Self {
        match stdio {
            ChildStdio::Fds { stdin, stdout, stderr } => Self::Fds { stdin, stdout, stderr },
            ChildStdio::Terminal => Self::Terminal,
        }
    }
}

impl Backend for Own {
    fn exec(&mut self, request: &ExecRequest, stdio: ChildStdio) -> Result<Launched, Failure> {
        let seccomp = read_filter(request.seccomp_bpf.as_deref())?;
        let launch = ExecLaunch {
            init_pid: self.init_pid,
            process: &request.process,
            stdio: stdio.into(),
            seccomp: seccomp.as_deref(),
            cgroup: &self.cgroup,
            console_size: request.console_size,
        };
        let (running, terminal) = runtime::exec(launch).map_err(|error| Failure {
            message: exec_failure(&error),
            kind: kind_of(error.runtime_kind()),
        })?;
        Ok(Launched { pid: running.pid, terminal })
    }

    fn update(&mut self, resources: &LinuxResources) -> Result<(), Failure> {
        self.cgroup.update(resources).map_err(|error| failed("update limits", error))
    }

    fn freeze(&mut self) -> Result<(), Failure> {
        self.cgroup.freeze().map_err(|error| failed("pause", error))
    }

    fn thaw(&mut self) -> Result<(), Failure> {
        self.cgroup.thaw().map_err(|error| failed("resume", error))
    }

    fn end_leftovers(&mut self) -> Result<(), Failure> {
        self.cgroup.kill().map_err(|error| failed("end leftover processes", error))
    }

    fn oom_kills(&self) -> Result<u64, Failure> {
        self.cgroup.oom_kills().map_err(|error| failed("read the OOM counter", error))
    }

    fn take_memory_watch(&mut self) -> Option<OwnedFd> {
        self.memory.take()
    }

    fn delete(&mut self) -> Result<(), Failure> {
        self.cgroup.delete().map_err(|error| failed("remove the cgroup", error))
    }
}
