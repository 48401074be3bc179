//! Streams between clients and a container's init.

use shim_client::{Attachment, stream_pair};
use shim_protocol::AttachStreams;
use tokio::net::UnixStream;

use crate::{
    ContainerError, Containers, container::Container, log_stream::Replay,
    start_failure::shim_error, state::Phase,
};

/// An attached stream: raw bytes with a terminal, Docker's multiplexed frames without.
#[derive(Debug)]
pub struct Attached {
    /// The engine's end.
    pub stream: UnixStream,
    /// Whether the bytes are raw.
    pub has_terminal: bool,
}

/// How long the report of init's end may come after its supervisor knew of it.
const END_REPORT: std::time::Duration = std::time::Duration::from_secs(10);

/// How a client joins a stream behind a log.
#[derive(Debug, Clone, Copy)]
pub struct JoinStream {
    /// Which streams.
    pub streams: AttachStreams,
    /// Whether the container ran when the client came; otherwise it waits for the start.
    pub was_running: bool,
}

impl Containers {
    /// Attaches to init's streams. Before a start, the stream waits for it, so that not a byte of
    /// output is missed.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] for a paused or restarting container.
    pub async fn attach(
        &self,
        reference: &str,
        streams: AttachStreams,
    ) -> Result<Attached, ContainerError> {
        let container = self.find(reference)?;
        check_attachable(&container, reference)?;
        let stream = match container.shim() {
            Some(shim) => shim.attach(None, streams).await.map_err(|e| shim_error(e, ""))?,
            None => {
                let (ours, socket) = stream_pair()
                    .map_err(|error| ContainerError::Shim(types::error::chain(&error)))?;
                container.live().pending.push(Attachment { streams, socket });
                ours
            }
        };
        Ok(self.attached(&container, stream))
    }

    /// Attaches where a log ends: what the replay gives from now on and what the stream gives are
    /// together everything, and nothing twice. Without a stream the run that the log belongs to
    /// has ended meanwhile, and the replay gives the rest of it.
    ///
    /// # Errors
    /// As [`Containers::attach`].
    pub async fn attach_after(
        &self,
        replay: &mut Replay,
        reference: &str,
        join: JoinStream,
    ) -> Result<Option<Attached>, ContainerError> {
        let container = self.find(reference)?;
        let JoinStream { streams, was_running } = join;
        replay.go_on();
        let Some(shim) = container.shim() else {
            return if was_running {
                Ok(None)
            } else {
                self.attach(reference, streams).await.map(Some)
            };
        };
        check_attachable(&container, reference)?;
        match shim.attach_after_log(streams).await.map_err(|e| shim_error(e, "")) {
            Ok((stream, position)) => {
                if let Some(position) = position {
                    let (inode, offset) = (position.inode, position.offset);
                    replay.stop_at(container_log::LogPosition { inode, offset });
                }
                Ok(Some(self.attached(&container, stream)))
            }
            // Init has ended in this moment; its last output may still be on its way to the log.
            Err(ContainerError::Conflict(_) | ContainerError::Shim(_)) => {
                let mut progress = container.watch();
                let ended =
                    progress.wait_for(|now| !matches!(now.phase, Phase::Running | Phase::Paused));
                // Should its end not be told, what the log has by now is given.
                let _ = tokio::time::timeout(END_REPORT, ended).await;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn attached(&self, container: &Container, stream: UnixStream) -> Attached {
        self.publish(container, "attach", std::collections::BTreeMap::new());
        Attached { stream, has_terminal: container.record().config.tty }
    }

    /// Sets the size of init's terminal.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`].
    pub async fn resize(
        &self,
        reference: &str,
        width: u16,
        height: u16,
    ) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let shim =
            container.shim().ok_or_else(|| ContainerError::NotRunning(container.id.to_string()))?;
        shim.resize(None, width, height).await.map_err(|error| shim_error(error, ""))?;
        let size =
            [("height".to_owned(), height.to_string()), ("width".to_owned(), width.to_string())];
        self.publish(&container, "resize", size.into());
        Ok(())
    }
}

/// Refuses what cannot be attached to, before anything else is done; `name` is the caller's.
///
/// # Errors
/// [`ContainerError::Conflict`] for a paused or restarting container.
pub fn check_attachable(container: &Container, name: &str) -> Result<(), ContainerError> {
    match container.state().phase {
        Phase::Paused => Err(ContainerError::Conflict(format!(
            "container {name} is paused, unpause the container before attach"
        ))),
        Phase::Restarting => Err(ContainerError::Conflict(format!(
            "container {name} is restarting, wait until the container is running"
        ))),
        _ => Ok(()),
    }
}
