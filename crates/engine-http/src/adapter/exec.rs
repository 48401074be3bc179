//! `/exec` over the container service.

use ::container::ExecStart;
use async_trait::async_trait;
use engine_api::exec::{ExecCreateRequest, ExecInspect, ProcessConfig};
use tokio::io::AsyncWriteExt;

use super::{
    Engine,
    attach::{DEFAULT_DETACH_KEYS, Departure, frame_text, pump_exec},
    blocking,
};
use crate::{
    Answer, Attachment, Framing,
    backend::{ExecBackend, TerminalSize, exec::StartExec},
    detach_keys,
};

/// How long the report of an exec's end may come after its last output.
const END_REPORT: std::time::Duration = std::time::Duration::from_secs(10);

fn exec_start(options: StartExec, is_detached: bool) -> ExecStart {
    let size = options.console_size.map(|size| (cells(size.width), cells(size.height)));
    ExecStart { is_detached, console_size: size }
}

pub(super) fn cells(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[async_trait]
impl ExecBackend for Engine {
    async fn create(&self, container: &str, request: ExecCreateRequest) -> Answer<String> {
        detach_keys::parse_for_exec(&request.detach_keys)?;
        let (containers, container) = (self.containers.clone(), container.to_owned());
        let id = blocking(move || containers.exec_create(&container, request)).await?;
        Ok(id.to_string())
    }

    async fn inspect(&self, id: &str) -> Answer<ExecInspect> {
        let (container, exec) = self.containers.exec(id)?;
        let (state, request) = (exec.state(), &exec.request);
        let command = request.cmd.clone().unwrap_or_default();
        let (entrypoint, arguments) = command
            .split_first()
            .map_or_else(Default::default, |(first, rest)| (first.clone(), rest.to_vec()));
        Ok(ExecInspect {
            id: exec.id.to_string(),
            running: state.is_running,
            exit_code: state.exit_code.map(i64::from),
            process_config: ProcessConfig {
                tty: request.tty,
                entrypoint,
                arguments: Some(arguments),
                privileged: Some(request.privileged),
                user: request.user.clone(),
            },
            open_stdin: request.attach_stdin,
            open_stderr: request.attach_stderr,
            open_stdout: request.attach_stdout,
            can_remove: state.exit_code.is_some(),
            container_id: container.id.to_string(),
            detach_keys: request.detach_keys.clone(),
            pid: i64::from(state.pid),
        })
    }

    async fn start(&self, id: &str, options: StartExec) -> Answer<Attachment> {
        let (container, exec) = self.containers.exec_to_start(id)?;
        // The client says how it reads; without a terminal there are two streams to tell apart.
        let is_raw = exec.request.tty && options.tty;
        let framing = if is_raw { Framing::Raw } else { Framing::Multiplexed };
        let (containers, id) = (self.containers.clone(), id.to_owned());
        let keys = if exec.request.tty {
            let asked = detach_keys::parse_for_exec(&exec.request.detach_keys)?;
            asked.unwrap_or_else(|| DEFAULT_DETACH_KEYS.to_vec())
        } else {
            Vec::new()
        };
        Ok(Attachment::new(framing, move |mut client| async move {
            match containers.exec_start(&id, exec_start(options, false)).await {
                Ok(Some(attached)) => {
                    let is_framed = attached.has_terminal && !is_raw;
                    let mut end = exec.ended();
                    let ended = async move {
                        // The supervisor reports the end right after the last byte; should it die
                        // in between, its loss ends the exec too.
                        let reported = end.wait_for(Option::is_some);
                        let _ = tokio::time::timeout(END_REPORT, reported).await;
                    };
                    let departure = pump_exec(client, attached, keys, is_framed, ended).await;
                    if departure == Departure::Detached {
                        containers.publish_exec_detach(&container, &exec);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let text = format!("{}\r\n", types::error::chain(&error));
                    let bytes = frame_text(framing, &text);
                    // A client that has gone needs no explanation.
                    let _ = client.write_all(&bytes).await;
                    let _ = client.shutdown().await;
                }
            }
        }))
    }

    async fn start_detached(&self, id: &str, options: StartExec) -> Answer<()> {
        self.containers.exec_start(id, exec_start(options, true)).await?;
        Ok(())
    }

    async fn resize(&self, id: &str, size: TerminalSize) -> Answer<()> {
        Ok(self.containers.exec_resize(id, cells(size.width), cells(size.height)).await?)
    }
}
