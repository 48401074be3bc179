//! A probe that is a command in the container.

use std::{sync::Arc, time::Duration};

use engine_api::exec::ExecCreateRequest;
use tokio::{io::AsyncReadExt, net::UnixStream, sync::oneshot};

use super::{
    Check, go_duration,
    output::{Frames, Output},
};
use crate::{
    ContainerError, Containers,
    container::Container,
    exec::{Exec, ExecStart},
    signal,
};

/// Starting takes time that is not the command's; so long, and something is wrong.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long the kernel may take to end a killed command before it is left to itself.
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// How long output may follow the end.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Runs `command`; its exit code and output, or none when `stop` came first.
pub(super) async fn run(
    service: &Containers,
    container: &Arc<Container>,
    (check, command): (&Check, &[String]),
    stop: &mut oneshot::Receiver<()>,
) -> Option<Result<(i32, String), ContainerError>> {
    if command.is_empty() {
        let text = format!("healthcheck for container {} has no command", container.id);
        return Some(Err(ContainerError::Invalid(text)));
    }
    let exec = match service.new_exec(container, request(container, command)) {
        Ok(exec) => exec,
        Err(error) => return Some(Err(error)),
    };
    let outcome = run_exec(service, container, (check, &exec), stop).await;
    // Nobody was told of it but by events: it need not be kept for inspection.
    container.live().execs.remove(&exec.id);
    outcome
}

async fn run_exec(
    service: &Containers,
    container: &Arc<Container>,
    (check, exec): (&Check, &Arc<Exec>),
    stop: &mut oneshot::Receiver<()>,
) -> Option<Result<(i32, String), ContainerError>> {
    let started = service.start_exec(container, exec, ExecStart::default());
    let mut stream = match tokio::time::timeout(START_DEADLINE, started).await {
        Ok(Ok(Some(attached))) => attached.stream,
        Ok(Ok(None)) => unreachable!("an exec that is not detached has a stream"),
        Ok(Err(error)) => return Some(Err(error)),
        Err(_) => {
            let text = format!("timed out starting health check for container {}", container.id);
            return Some(Err(ContainerError::Deadline(text)));
        }
    };
    let mut output = Output::default();
    let ended = tokio::select! {
        code = follow(exec, &mut stream, &mut output) => Some(Ok(code)),
        () = tokio::time::sleep(check.timeout) => Some(Err(())),
        _ = &mut *stop => None,
    };
    match ended {
        Some(Ok(code)) => Some(Ok((code, output.text()))),
        Some(Err(())) => {
            kill(container, exec).await;
            Some(Ok((-1, timeout_text(check, &output))))
        }
        None => {
            kill(container, exec).await;
            None
        }
    }
}

/// Reads until the command has ended and said all it had to say.
async fn follow(exec: &Exec, stream: &mut UnixStream, output: &mut Output) -> i32 {
    let mut end = exec.ended();
    let ended = async {
        // The sender lives in the exec, which is held here.
        end.wait_for(Option::is_some).await.ok().and_then(|code| *code).unwrap_or(-1)
    };
    tokio::pin!(ended);
    let drain = drain(stream, output);
    tokio::pin!(drain);
    tokio::select! {
        code = &mut ended => {
            // A child that keeps the pipe open does not keep the result waiting.
            let _ = tokio::time::timeout(DRAIN_TIME, drain).await;
            code
        }
        () = &mut drain => ended.await,
    }
}

async fn drain(stream: &mut UnixStream, output: &mut Output) {
    let (mut frames, mut buffer) = (Frames::default(), [0; 2048]);
    // An error is an end: the supervisor has gone.
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        frames.feed(&buffer[..count], output);
    }
}

/// Ends the command with all that it has started, so that late ones do not pile up.
async fn kill(container: &Container, exec: &Exec) {
    let Some(shim) = container.shim() else { return };
    if let Err(error) = shim.signal(Some(exec.id.clone()), signal::KILL).await {
        tracing::debug!(container.id = %container.id, error = %types::error::chain(&error), "a health check ended before it was killed");
    }
    let mut end = exec.ended();
    if tokio::time::timeout(KILL_DEADLINE, end.wait_for(Option::is_some)).await.is_err() {
        tracing::warn!(container.id = %container.id, "a killed health check does not end");
    }
}

fn timeout_text(check: &Check, output: &Output) -> String {
    let text = format!("Health check exceeded timeout ({})", go_duration(check.timeout));
    match output.text() {
        said if said.is_empty() => text,
        said => format!("{text}: {said}"),
    }
}

fn request(container: &Container, command: &[String]) -> ExecCreateRequest {
    let config = &container.record().config;
    ExecCreateRequest {
        cmd: Some(command.to_vec()),
        attach_stdout: true,
        attach_stderr: true,
        user: config.user.clone(),
        working_dir: config.working_dir.clone(),
        ..ExecCreateRequest::default()
    }
}
