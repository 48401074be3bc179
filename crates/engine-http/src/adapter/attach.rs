//! Moving bytes between a client and a supervisor's stream, and detach keys.

use std::sync::Arc;

use ::container::{Attached, Container, Containers, JoinStream, LogQuery, Replay};
use shim_protocol::AttachStreams;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::OwnedWriteHalf,
};
use types::ContainerId;

use super::{Engine, blocking, log_frames};
use crate::{Answer, Attachment, Framing, Hijacked, backend::container::AttachOptions, stdcopy};

/// `ctrl-p,ctrl-q`.
pub(super) const DEFAULT_DETACH_KEYS: &[u8] = &[0x10, 0x11];
/// One read; a terminal's line and a pipe's page both fit.
const BUFFER_BYTES: usize = 32 * 1024;

/// How the bytes of an attached stream are framed.
pub(super) fn framing(attached: &Attached) -> Framing {
    if attached.has_terminal { Framing::Raw } else { Framing::Multiplexed }
}

/// How a client left an attached stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// With the stream's end.
    Ended,
    /// By the detach keys.
    Detached,
}

/// Serves an attached stream of a container until either side ends.
pub(super) fn attachment(
    attached: Attached,
    detach_keys: Option<Vec<u8>>,
    (containers, container): (Containers, ContainerId),
) -> Attachment {
    let framing = framing(&attached);
    let keys = keys_for(&attached, detach_keys);
    Attachment::new(framing, move |client| async move {
        let departure = pump(client, attached, keys).await;
        tell(&containers, container.as_str(), departure);
    })
}

fn tell(containers: &Containers, container: &str, departure: Departure) {
    // One that is gone by now cannot have been detached from.
    if departure == Departure::Detached
        && let Ok(container) = containers.find(container)
    {
        containers.publish_plain(&container, "detach");
    }
}

/// Neither the log nor the stream: the connection ends at once.
pub(super) fn nothing(framing: Framing) -> Attachment {
    Attachment::new(framing, |mut client: Hijacked| async move {
        // A client that has gone needs no goodbye.
        let _ = client.shutdown().await;
    })
}

/// Only a terminal's bytes are typed by hand.
fn keys_for(attached: &Attached, detach_keys: Option<Vec<u8>>) -> Vec<u8> {
    if attached.has_terminal {
        detach_keys.unwrap_or_else(|| DEFAULT_DETACH_KEYS.to_vec())
    } else {
        Vec::new()
    }
}

/// A log that a client reads before the live stream, or alone.
pub(super) struct Preface {
    pub(super) replay: Replay,
    pub(super) format: log_frames::Format,
    /// `None`: the log alone.
    pub(super) live: Option<Live>,
}

/// How the live stream goes on where the log ends.
pub(super) struct Live {
    pub(super) containers: Containers,
    pub(super) container: String,
    pub(super) join: JoinStream,
    pub(super) detach_keys: Option<Vec<u8>>,
}

impl Engine {
    /// Attaches to the log, and to the stream behind it if that was asked for.
    pub(super) async fn attach_with_log(
        &self,
        container: &Arc<Container>,
        options: AttachOptions,
        streams: AttachStreams,
    ) -> Answer<Attachment> {
        let framing =
            if container.record().config.tty { Framing::Raw } else { Framing::Multiplexed };
        let query =
            LogQuery { stdout: options.stdout, stderr: options.stderr, ..LogQuery::default() };
        let id = container.id.to_string();
        if options.stream {
            ::container::check_attachable(container, &id)?;
        }
        let was_running = container.state().is_running();
        let (containers, container) = (self.containers.clone(), Arc::clone(container));
        let replay = blocking(move || containers.replay(&container, query)).await?;
        let live = options.stream.then(|| Live {
            containers: self.containers.clone(),
            container: id,
            join: JoinStream { streams, was_running },
            detach_keys: options.detach_keys,
        });
        let format = log_frames::Format { framing, timestamps: false, details: false };
        Ok(with_replay(Preface { replay, format, live }))
    }
}

/// Replays a log, then serves the live stream if one was asked for. The stream is joined only when
/// the replay has caught up, so that a long log does not hold the container up.
pub(super) fn with_replay(preface: Preface) -> Attachment {
    Attachment::new(preface.format.framing, move |mut client| async move {
        let Preface { mut replay, format, live } = preface;
        if !send_replay(&mut client, &mut replay, format).await {
            return;
        }
        let Some(Live { containers, container, join, detach_keys }) = live else {
            // A client that has gone needs no goodbye.
            return drop(client.shutdown().await);
        };
        match containers.attach_after(&mut replay, &container, join).await {
            Ok(Some(attached)) => {
                if send_replay(&mut client, &mut replay, format).await {
                    let keys = keys_for(&attached, detach_keys);
                    let departure = pump(client, attached, keys).await;
                    tell(&containers, &container, departure);
                }
            }
            Ok(None) => {
                send_replay(&mut client, &mut replay, format).await;
                // A client that has gone needs no goodbye.
                let _ = client.shutdown().await;
            }
            Err(error) => {
                let text = format!("Error attaching: {}\n", types::error::chain(&error));
                // A client that has gone needs no explanation.
                let _ = client.write_all(&frame_text(format.framing, &text)).await;
                let _ = client.shutdown().await;
            }
        }
    })
}

/// A text of the engine's own, on standard output.
pub(super) fn frame_text(framing: Framing, text: &str) -> bytes::Bytes {
    match framing {
        Framing::Raw => bytes::Bytes::copy_from_slice(text.as_bytes()),
        Framing::Multiplexed => stdcopy::frame(stdcopy::Stream::Stdout, text.as_bytes()),
    }
}

/// Sends what a log has now; `false` when the client or the log has failed.
async fn send_replay(
    client: &mut Hijacked,
    replay: &mut Replay,
    format: log_frames::Format,
) -> bool {
    loop {
        match replay.next().await {
            Ok(records) if records.is_empty() => return true,
            Ok(records) => {
                if client.write_all(&log_frames::encode(&records, format)).await.is_err() {
                    return false;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read a log for an attached client");
                return false;
            }
        }
    }
}

/// Copies both ways. The client's end of input is passed on as a half-close; the container's end
/// of output closes the connection.
pub(super) async fn pump(client: Hijacked, attached: Attached, detach_keys: Vec<u8>) -> Departure {
    serve(client, attached, detach_keys, Recoding::None, std::future::ready(())).await
}

/// [`pump`] for an exec: the client hears of the end only when `ended` has come true, because it
/// then asks for the exit code at once. With `is_framed` the client expects frames of what comes
/// from a terminal without any.
pub(super) async fn pump_exec(
    client: Hijacked,
    attached: Attached,
    detach_keys: Vec<u8>,
    is_framed: bool,
    ended: impl Future<Output = ()>,
) -> Departure {
    let recoding = if is_framed { Recoding::Framed } else { Recoding::None };
    serve(client, attached, detach_keys, recoding, ended).await
}

/// What is done to the container's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recoding {
    None,
    Framed,
}

async fn copy_framed(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&stdcopy::frame(stdcopy::Stream::Stdout, &buffer[..count])).await?;
    }
}

async fn serve(
    client: Hijacked,
    attached: Attached,
    detach_keys: Vec<u8>,
    recoding: Recoding,
    ended: impl Future<Output = ()>,
) -> Departure {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_container, to_container) = attached.stream.into_split();
    let output = async {
        // A client that has gone is no error: the other direction notices as well.
        let _ = match recoding {
            Recoding::None => tokio::io::copy(&mut from_container, &mut to_client).await.map(drop),
            Recoding::Framed => copy_framed(&mut from_container, &mut to_client).await,
        };
        ended.await;
        let _ = to_client.shutdown().await;
    };
    let input = copy_input(&mut from_client, to_container, DetachKeys::new(detach_keys));
    tokio::pin!(output, input);
    tokio::select! {
        () = &mut output => Departure::Ended,
        outcome = &mut input => match outcome {
            Input::Ended => {
                output.await;
                Departure::Ended
            }
            Input::Detached => Departure::Detached,
        },
    }
}

/// How a client's input ended.
enum Input {
    /// It closed its side; output goes on.
    Ended,
    /// It typed the detach keys.
    Detached,
}

async fn copy_input(
    from: &mut (impl AsyncReadExt + Unpin),
    mut to: OwnedWriteHalf,
    mut keys: DetachKeys,
) -> Input {
    let mut buffer = vec![0u8; BUFFER_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let (bytes, is_detached) = keys.filter(&buffer[..length]);
        if to.write_all(&bytes).await.is_err() {
            break;
        }
        if is_detached {
            return Input::Detached;
        }
    }
    // Dropping the half shuts it down; an error means that the container has ended.
    let _ = to.shutdown().await;
    Input::Ended
}

/// Looks for the detach sequence across reads; what turns out not to be it is passed on.
struct DetachKeys {
    sequence: Vec<u8>,
    matched: usize,
}

impl DetachKeys {
    fn new(sequence: Vec<u8>) -> Self {
        Self { sequence, matched: 0 }
    }

    /// The bytes to pass on, and whether the sequence is complete.
    fn filter<'a>(&mut self, input: &'a [u8]) -> (std::borrow::Cow<'a, [u8]>, bool) {
        if self.sequence.is_empty() {
            return (input.into(), false);
        }
        let mut output = Vec::with_capacity(input.len());
        for byte in input {
            if *byte == self.sequence[self.matched] {
                self.matched += 1;
                if self.matched == self.sequence.len() {
                    return (output.into(), true);
                }
                continue;
            }
            output.extend_from_slice(&self.sequence[..self.matched]);
            self.matched = 0;
            if *byte == self.sequence[0] {
                self.matched = 1;
            } else {
                output.push(*byte);
            }
        }
        (output.into(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_across_reads() {
        let mut keys = DetachKeys::new(DEFAULT_DETACH_KEYS.to_vec());
        assert_eq!(keys.filter(b"ab\x10"), (b"ab"[..].into(), false));
        assert_eq!(keys.filter(b"c"), (b"\x10c"[..].into(), false));
        assert_eq!(keys.filter(b"\x10\x10\x11rest"), (b"\x10"[..].into(), true));
    }

    #[test]
    fn no_keys_pass_everything() {
        let mut keys = DetachKeys::new(Vec::new());
        assert_eq!(keys.filter(b"\x10\x11"), (b"\x10\x11"[..].into(), false));
    }
}
