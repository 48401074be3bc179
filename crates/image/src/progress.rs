//! What a long operation tells while it runs; the edge renders it as Docker's JSON messages.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use types::Digest;

/// What happens to a layer; [`LayerStatus::as_str`] is Docker's word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are their documentation")]
pub enum LayerStatus {
    PullingFsLayer,
    Waiting,
    Downloading,
    VerifyingChecksum,
    DownloadComplete,
    Extracting,
    PullComplete,
    AlreadyExists,
    Preparing,
    Pushing,
    Pushed,
    LayerAlreadyExists,
    MountedFrom(String),
    LoadingLayer,
    Retrying,
}

impl std::fmt::Display for LayerStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PullingFsLayer => "Pulling fs layer",
            Self::Waiting => "Waiting",
            Self::Downloading => "Downloading",
            Self::VerifyingChecksum => "Verifying Checksum",
            Self::DownloadComplete => "Download complete",
            Self::Extracting => "Extracting",
            Self::PullComplete => "Pull complete",
            Self::AlreadyExists => "Already exists",
            Self::Preparing => "Preparing",
            Self::Pushing => "Pushing",
            Self::Pushed => "Pushed",
            Self::LayerAlreadyExists => "Layer already exists",
            Self::MountedFrom(from) => return write!(f, "Mounted from {from}"),
            Self::LoadingLayer => "Loading layer",
            Self::Retrying => "Retrying",
        })
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// `{"status": text, "id": id}`.
    Status {
        /// The tag on the first line of a pull.
        id: Option<String>,
        /// The line.
        text: String,
    },
    /// `{"status": ..., "progressDetail": {"current", "total"}, "id": ...}`; both counts are 0
    /// when the status has no bar.
    Layer {
        /// 12 hexadecimal characters.
        id: String,
        /// What happens to it.
        status: LayerStatus,
        /// Bytes done.
        current: u64,
        /// Bytes in all.
        total: u64,
    },
    /// `{"stream": text}`.
    Stream(String),
    /// `{"progressDetail": {}, "aux": {"Tag", "Digest", "Size"}}` at the end of a push.
    Pushed {
        /// The tag.
        tag: String,
        /// Of the manifest.
        digest: Digest,
        /// Length of the manifest.
        size_bytes: u64,
    },
}

/// Where events go; a caller that does not care drops the receiver.
pub type ProgressSender = mpsc::Sender<Progress>;

const INTERVAL: Duration = Duration::from_millis(100);

/// Sends events: statuses always arrive, byte counts when there is room and not too often.
#[derive(Clone)]
pub(crate) struct Reporter(Option<ProgressSender>);

impl Reporter {
    pub(crate) fn new(sender: Option<ProgressSender>) -> Self {
        Self(sender)
    }

    /// Waits for room. A receiver that is gone is nobody's fault: the operation goes on.
    pub(crate) async fn send(&self, event: Progress) {
        if let Some(sender) = &self.0 {
            let _receiver_gone = sender.send(event).await;
        }
    }

    pub(crate) fn send_blocking(&self, event: Progress) {
        if let Some(sender) = &self.0 {
            let _receiver_gone = sender.blocking_send(event);
        }
    }

    fn offer(&self, event: Progress) {
        if let Some(sender) = &self.0 {
            let _full_or_gone = sender.try_send(event);
        }
    }

    pub(crate) async fn status(&self, text: impl Into<String>) {
        self.send(Progress::Status { id: None, text: text.into() }).await;
    }

    pub(crate) async fn layer(&self, id: &str, status: LayerStatus) {
        let id = id.to_owned();
        self.send(Progress::Layer { id, status, current: 0, total: 0 }).await;
    }

    pub(crate) fn layer_blocking(&self, id: &str, status: LayerStatus) {
        let id = id.to_owned();
        self.send_blocking(Progress::Layer { id, status, current: 0, total: 0 });
    }
}

/// Counts the bytes of one layer in one status.
pub(crate) struct Meter {
    reporter: Reporter,
    id: String,
    status: LayerStatus,
    total: u64,
    current: u64,
    last: Option<Instant>,
}

impl Meter {
    pub(crate) fn new(reporter: &Reporter, id: &str, status: LayerStatus, total: u64) -> Self {
        Self {
            reporter: reporter.clone(),
            id: id.to_owned(),
            status,
            total,
            current: 0,
            last: None,
        }
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.set(self.current + bytes);
    }

    pub(crate) fn set(&mut self, current: u64) {
        self.current = current;
        let is_due = self.last.is_none_or(|last| last.elapsed() >= INTERVAL);
        if !is_due && current < self.total {
            return;
        }
        self.last = Some(Instant::now());
        self.reporter.offer(Progress::Layer {
            id: self.id.clone(),
            status: self.status.clone(),
            current,
            total: self.total,
        });
    }
}
