//! What `/exec` needs.

use async_trait::async_trait;
use engine_api::exec::{ExecCreateRequest, ExecInspect};

use super::TerminalSize;
use crate::{Answer, Attachment};

/// `POST /exec/{id}/start`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartExec {
    /// What the client believes; the exec's own setting decides.
    pub tty: bool,
    /// Set only together with `tty`.
    pub console_size: Option<TerminalSize>,
}

/// What `/exec` needs from the engine.
#[async_trait]
pub trait ExecBackend: Send + Sync + 'static {
    /// Registers a process for a running container and returns its id; `cmd` is not empty.
    /// `Conflict` if the container does not run or is paused.
    async fn create(&self, container: &str, request: ExecCreateRequest) -> Answer<String>;

    /// Describes it. `No such exec instance: ID` if it is not known.
    async fn inspect(&self, id: &str) -> Answer<ExecInspect>;

    /// Prepares to start it connected to a client. `NotFound` and `Conflict` (it runs, it ended,
    /// the container stopped) fail here; the returned closure gets the connection after the
    /// answer's head is on the wire, starts the process, and writes a failed start as text
    /// followed by `\r\n` (framed as stdout if multiplexed), as Docker does.
    async fn start(&self, id: &str, options: StartExec) -> Answer<Attachment>;

    /// Starts it without a client and returns when it runs.
    async fn start_detached(&self, id: &str, options: StartExec) -> Answer<()>;

    /// Sets the size of its terminal.
    async fn resize(&self, id: &str, size: TerminalSize) -> Answer<()>;
}
