//! Streams between clients and a container's init.

use shim_client::{Attachment, stream_pair};
use shim_protocol::AttachStreams;
use tokio::net::UnixStream;

use crate::{ContainerError, Containers, start::shim_error, state::Phase};

/// An attached stream: raw bytes with a terminal, Docker's multiplexed frames without.
#[derive(Debug)]
pub struct Attached {
    /// The engine's end.
    pub stream: UnixStream,
    /// Whether the bytes are raw.
    pub has_terminal: bool,
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
        let state = container.state();
        let record = container.record();
        match state.phase {
            Phase::Paused => {
                return Err(ContainerError::Conflict(format!(
                    "container {} is paused, unpause the container before attach",
                    record.name
                )));
            }
            Phase::Restarting => {
                return Err(ContainerError::Conflict(format!(
                    "container {} is restarting, wait until the container is running",
                    record.name
                )));
            }
            _ => {}
        }
        let stream = match container.shim() {
            Some(shim) => shim.attach(None, streams).await.map_err(|e| shim_error(e, ""))?,
            None => {
                let (ours, socket) = stream_pair()
                    .map_err(|error| ContainerError::Shim(types::error::chain(&error)))?;
                container.live().pending.push(Attachment { streams, socket });
                ours
            }
        };
        let attributes = std::collections::BTreeMap::new();
        self.publish(&container, "attach", attributes);
        Ok(Attached { stream, has_terminal: record.config.tty })
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
