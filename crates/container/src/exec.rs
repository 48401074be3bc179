//! Further processes in a running container.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use engine_api::exec::ExecCreateRequest;
use shim_client::{Attachment, Shim, stream_pair};
use shim_protocol::{AttachStreams, ExecRequest};
use tokio::{net::UnixStream, sync::watch};
use types::{ContainerId, ExecId};

use crate::{
    ContainerError, Containers,
    attach::Attached,
    container::Container,
    spec::{self, capability},
    start_failure::{EXEC_FAILED, NOT_EXECUTABLE, shim_error},
    state::Phase,
};

/// One exec session.
pub struct Exec {
    /// Its id.
    pub id: ExecId,
    /// The container that it belongs to.
    pub container: ContainerId,
    /// As it was asked for.
    pub request: ExecCreateRequest,
    state: Mutex<ExecState>,
    ended: watch::Sender<Option<i32>>,
}

/// What an exec session is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExecState {
    /// Whether its process runs.
    pub is_running: bool,
    /// Whether a start was asked for, which can be done once.
    pub is_started: bool,
    /// Its process, or 0.
    pub pid: i32,
    /// Set when it has ended or could not be started.
    pub exit_code: Option<i32>,
    /// When it ended.
    pub ended_at: Option<Instant>,
}

/// How long an ended session can still be inspected.
const KEPT: Duration = Duration::from_secs(300);

/// How to start an exec session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExecStart {
    /// Without streams.
    pub is_detached: bool,
    /// Terminal size (width, height).
    pub console_size: Option<(u16, u16)>,
}

impl Exec {
    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> ExecState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut ExecState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes the end of its process.
    pub(crate) fn finish(&self, exit_code: i32) {
        self.change(|state| {
            state.is_running = false;
            state.exit_code = Some(exit_code);
            state.ended_at = Some(Instant::now());
        });
        self.ended.send_replace(Some(exit_code));
    }

    /// Whether it ended so long ago that nobody asks any more.
    fn is_forgotten(&self) -> bool {
        self.state().ended_at.is_some_and(|at| at.elapsed() > KEPT)
    }

    /// Becomes the exit code once the process has ended.
    pub fn ended(&self) -> watch::Receiver<Option<i32>> {
        self.ended.subscribe()
    }
}

impl Containers {
    /// Makes an exec session in a running container; reads the container's accounts, so it is for
    /// a blocking thread.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`], [`ContainerError::Conflict`] when paused,
    /// [`ContainerError::Invalid`] without a command, [`ContainerError::Account`] when there is no
    /// such user.
    pub fn exec_create(
        &self,
        reference: &str,
        request: ExecCreateRequest,
    ) -> Result<ExecId, ContainerError> {
        let container = self.find(reference)?;
        // Clients start what they have made at once.
        self.inner.cgroup_moves.prewarm();
        self.new_exec(&container, request).map(|exec| exec.id.clone())
    }

    /// [`Containers::exec_create`] in a container that is known.
    pub(crate) fn new_exec(
        &self,
        container: &Container,
        request: ExecCreateRequest,
    ) -> Result<Arc<Exec>, ContainerError> {
        check_running(container)?;
        if request.cmd.as_ref().is_none_or(Vec::is_empty) {
            return Err(ContainerError::Invalid("No exec command specified".into()));
        }
        if !request.user.is_empty() {
            // Early, so that the mistake is the answer to this request. The start looks again.
            self.user(&container.record(), &request.user)?;
        }
        let exec = Arc::new(Exec {
            id: ExecId::random(),
            container: container.id.clone(),
            request,
            state: Mutex::default(),
            ended: watch::channel(None).0,
        });
        {
            let mut live = container.live();
            live.execs.retain(|_, exec| !exec.is_forgotten());
            live.execs.insert(exec.id.clone(), Arc::clone(&exec));
        }
        self.publish(
            container,
            format!("exec_create: {}", command_line(&exec)),
            [("execID".to_owned(), exec.id.to_string())].into(),
        );
        Ok(exec)
    }

    /// Finds an exec session by its full id.
    ///
    /// # Errors
    /// [`ContainerError::ExecNotFound`].
    pub fn exec(&self, id: &str) -> Result<(Arc<Container>, Arc<Exec>), ContainerError> {
        let not_found = || ContainerError::ExecNotFound(id.to_owned());
        let id: ExecId = id.parse().map_err(|_| not_found())?;
        for container in self.all() {
            let found = container.live().execs.get(&id).cloned();
            if let Some(exec) = found {
                return Ok((container, exec));
            }
        }
        Err(not_found())
    }

    /// Starts an exec session; returns its stream unless detached.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] when it was started before, [`ContainerError::NotRunning`],
    /// [`ContainerError::StartFailed`].
    pub async fn exec_start(
        &self,
        id: &str,
        start: ExecStart,
    ) -> Result<Option<Attached>, ContainerError> {
        let (container, exec) = self.exec(id)?;
        self.start_exec(&container, &exec, start).await
    }

    /// [`Containers::exec_start`] of a session that is known.
    pub(crate) async fn start_exec(
        &self,
        container: &Arc<Container>,
        exec: &Arc<Exec>,
        start: ExecStart,
    ) -> Result<Option<Attached>, ContainerError> {
        check_running(container)?;
        let shim =
            container.shim().ok_or_else(|| ContainerError::NotRunning(container.id.to_string()))?;
        let mut is_first = false;
        exec.change(|state| is_first = !std::mem::replace(&mut state.is_started, true));
        if !is_first {
            return Err(already_started(exec));
        }
        let launched = self.launch_exec(container, exec, start, &shim).await;
        let stream = launched.inspect_err(|error| {
            exec.finish(match error {
                ContainerError::StartFailed { exit_code, .. } => *exit_code,
                _ => NOT_EXECUTABLE,
            });
        })?;
        Ok(stream.map(|stream| Attached { stream, has_terminal: exec.request.tty }))
    }

    /// Finds an exec session that can be started now.
    ///
    /// # Errors
    /// As [`Containers::exec_start`].
    pub fn exec_to_start(&self, id: &str) -> Result<(Arc<Container>, Arc<Exec>), ContainerError> {
        let (container, exec) = self.exec(id)?;
        check_running(&container)?;
        if exec.state().is_started {
            return Err(already_started(&exec));
        }
        Ok((container, exec))
    }

    async fn launch_exec(
        &self,
        container: &Arc<Container>,
        exec: &Exec,
        start: ExecStart,
        shim: &Shim,
    ) -> Result<Option<UnixStream>, ContainerError> {
        let (stream, attachments) = exec_streams(exec, start)?;
        let request = self.exec_request(container, exec, start).await?;
        self.publish(
            container,
            format!("exec_start: {}", command_line(exec)),
            [("execID".to_owned(), exec.id.to_string())].into(),
        );
        let started = shim.exec(request, attachments).await;
        let started = started.map_err(|error| shim_error(error, EXEC_FAILED))?;
        exec.change(|state| {
            // The end may have been reported before this answer was seen.
            state.is_running = state.exit_code.is_none();
            state.pid = started.pid;
        });
        Ok(stream)
    }

    /// Sets the size of an exec session's terminal.
    ///
    /// # Errors
    /// [`ContainerError::ExecNotFound`], [`ContainerError::NotRunning`].
    pub async fn exec_resize(
        &self,
        id: &str,
        width: u16,
        height: u16,
    ) -> Result<(), ContainerError> {
        let (container, exec) = self.exec(id)?;
        let shim =
            container.shim().ok_or_else(|| ContainerError::NotRunning(container.id.to_string()))?;
        shim.resize(Some(exec.id.clone()), width, height).await.map_err(|e| shim_error(e, ""))
    }

    async fn exec_request(
        &self,
        container: &Arc<Container>,
        exec: &Exec,
        start: ExecStart,
    ) -> Result<ExecRequest, ContainerError> {
        let (service, container, wanted) =
            (self.clone(), Arc::clone(container), exec.request.clone());
        let (process, seccomp_bpf) =
            tokio::task::spawn_blocking(move || service.exec_process(&container, &wanted))
                .await
                .map_err(|error| ContainerError::Shim(error.to_string()))??;
        Ok(ExecRequest {
            id: exec.id.clone(),
            process,
            seccomp_bpf,
            attach: Vec::new(),
            open_stdin: exec.request.attach_stdin,
            console_size: start.console_size.or_else(|| created_size(&exec.request)),
        })
    }

    fn exec_process(
        &self,
        container: &Container,
        wanted: &ExecCreateRequest,
    ) -> Result<(oci::runtime::Process, Option<std::path::PathBuf>), ContainerError> {
        let record = container.record();
        let mut process = self.init_process(&record)?;
        if !wanted.user.is_empty() {
            process.user = self.user(&record, &wanted.user)?;
        }
        if wanted.privileged || record.host_config.privileged {
            process.capabilities = Some(spec::capability_sets(capability::all(), &process.user));
        } else if let Some(sets) = process.capabilities.take() {
            process.capabilities = Some(spec::capability_sets(sets.bounding, &process.user));
        }
        if !wanted.working_dir.is_empty() {
            process.cwd.clone_from(&wanted.working_dir);
        }
        process.args = wanted.cmd.clone().unwrap_or_default();
        process.terminal = wanted.tty;
        process.console_size = None;
        if wanted.tty && !process.env.iter().any(|e| e.starts_with("TERM=")) {
            process.env.push("TERM=xterm".to_owned());
        }
        spec::override_environment(&mut process.env, wanted.env.as_deref().unwrap_or_default());
        let seccomp = if wanted.privileged { None } else { self.seccomp_filter(&record)? };
        Ok((process, seccomp))
    }
}

fn exec_streams(
    exec: &Exec,
    start: ExecStart,
) -> Result<(Option<UnixStream>, Vec<Attachment>), ContainerError> {
    if start.is_detached {
        return Ok((None, Vec::new()));
    }
    let (ours, theirs) =
        stream_pair().map_err(|error| ContainerError::Shim(types::error::chain(&error)))?;
    let streams = AttachStreams {
        stdin: exec.request.attach_stdin,
        stdout: exec.request.attach_stdout,
        stderr: exec.request.attach_stderr,
    };
    Ok((Some(ours), vec![Attachment { streams, socket: theirs }]))
}

/// The program, a blank, and the arguments: the blank is there without arguments too.
fn command_line(exec: &Exec) -> String {
    let words = exec.request.cmd.as_deref().unwrap_or_default();
    let (program, arguments) = words.split_first().map_or(("", words), |(p, a)| (p.as_str(), a));
    format!("{program} {}", arguments.join(" "))
}

/// The size that was given at creation, which a start may override.
fn created_size(request: &ExecCreateRequest) -> Option<(u16, u16)> {
    let [height, width] = request.console_size.filter(|_| request.tty)?;
    let cells = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    Some((cells(width), cells(height)))
}

fn already_started(exec: &Exec) -> ContainerError {
    let how =
        if exec.state().exit_code.is_some() { "has already run" } else { "is already running" };
    ContainerError::Conflict(format!("exec command {} {how}", exec.id))
}

fn check_running(container: &Container) -> Result<(), ContainerError> {
    match container.state().phase {
        Phase::Running => Ok(()),
        Phase::Paused => Err(ContainerError::Conflict(format!(
            "Container {} is paused, unpause the container before exec",
            container.record().name
        ))),
        Phase::Restarting => Err(ContainerError::Conflict(format!(
            "Container {} is restarting, wait until the container is running",
            container.id
        ))),
        _ => Err(ContainerError::NotRunning(container.id.to_string())),
    }
}
