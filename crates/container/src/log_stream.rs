//! Following a container's log: what is there, then what comes, until the container ends.

use std::{path::Path, sync::Arc, time::Duration};

use container_log::{LogPosition, LogQuery, LogReader, LogRecord};
use rustix::fs::inotify;
use tokio::{io::unix::AsyncFd, sync::mpsc};

use crate::{
    ContainerError, Containers,
    container::{Container, Progress},
    log_config::{LogConfigPlan, ReadableLog},
    state::Phase,
};

/// How many records go to the reader at a time.
const BATCH: usize = 512;
/// How many batches may wait for a slow reader.
const QUEUE: usize = 4;
/// A file's changes are announced by inotify; this bounds the wait should one be lost.
const RECHECK: Duration = Duration::from_secs(1);

/// Batches of records; ends with the log, or for a followed one with the container.
pub type LogBatches = mpsc::Receiver<std::io::Result<Vec<LogRecord>>>;

/// Up to where a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogExtent {
    /// What is there.
    Present,
    /// Also what comes until the run ends. Of a container that does not run, what is there.
    Followed,
}

/// A log that is read before something else goes on where it ends.
pub struct Replay(Option<LogReader>);

impl Replay {
    /// Reads on; empty at the present end.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn next(&mut self) -> std::io::Result<Vec<LogRecord>> {
        let Some(mut reader) = self.0.take() else { return Ok(Vec::new()) };
        let reading = tokio::task::spawn_blocking(move || {
            let batch = reader.next_batch(BATCH);
            (reader, batch)
        });
        let (reader, batch) = reading.await.map_err(std::io::Error::other)?;
        self.0 = Some(reader);
        batch
    }

    /// Ends at a position that has been reached by the writer.
    pub(crate) fn stop_at(&mut self, position: LogPosition) {
        if let Some(reader) = &mut self.0 {
            reader.stop_at(position);
        }
    }

    /// Reads on to the end, wherever that is.
    pub(crate) fn go_on(&mut self) {
        if let Some(reader) = &mut self.0 {
            reader.go_on();
        }
    }

    fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(LogReader::is_finished)
    }
}

impl Containers {
    /// Reads a container's log.
    ///
    /// # Errors
    /// [`ContainerError::NotBuilt`] when its driver keeps nothing to read.
    pub fn logs(
        &self,
        container: &Arc<Container>,
        query: LogQuery,
        extent: LogExtent,
    ) -> Result<LogBatches, ContainerError> {
        let log = self.readable_log(container)?;
        let replay = open(&log, query)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        match extent {
            LogExtent::Followed => {
                let run = Run::of(container);
                let dir = log.path.parent().unwrap_or(&log.path);
                let watch = watch_directory(dir).map_err(|error| failed(&log, error))?;
                // Ends when the container does, or when the receiver is gone.
                tokio::spawn(follow(replay, watch, run, sender));
            }
            LogExtent::Present => {
                tokio::spawn(read_all(replay, sender));
            }
        }
        Ok(receiver)
    }

    /// Opens a container's log, up to its present end, for a stream that goes on behind it.
    ///
    /// # Errors
    /// As [`Containers::logs`].
    pub fn replay(&self, container: &Container, query: LogQuery) -> Result<Replay, ContainerError> {
        let log = self.readable_log(container)?;
        let mut replay = open(&log, query)?;
        if let Some(reader) = &mut replay.0 {
            reader.stop_at_present_end().map_err(|error| failed(&log, error))?;
        }
        Ok(replay)
    }

    /// What a container's log takes on the disk, rotated files included; a file that vanishes
    /// meanwhile counts nothing.
    #[must_use]
    pub fn log_bytes(&self, reference: &str) -> u64 {
        let log = self.find(reference).and_then(|container| self.readable_log(&container));
        let Ok(ReadableLog { path, .. }) = log else { return 0 };
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return 0 };
        let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
        entries
            .flatten()
            .filter(|entry| {
                entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes())
            })
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    fn readable_log(&self, container: &Container) -> Result<ReadableLog, ContainerError> {
        let record = container.record();
        let dir = self.data_dir(&record.id);
        LogConfigPlan::parse(&record.host_config.log_config)?.readable(&record, &dir).ok_or_else(
            || {
                let text = "configured logging driver does not support reading";
                ContainerError::NotBuilt(text.to_owned())
            },
        )
    }
}

fn failed(log: &ReadableLog, source: std::io::Error) -> ContainerError {
    ContainerError::File { action: "read", path: log.path.clone(), source }
}

fn open(log: &ReadableLog, query: LogQuery) -> Result<Replay, ContainerError> {
    let reader = LogReader::open(&log.path, log.format, query);
    reader.map(|reader| Replay(Some(reader))).map_err(|error| failed(log, error))
}

async fn read_all(mut replay: Replay, sender: mpsc::Sender<std::io::Result<Vec<LogRecord>>>) {
    while pass_on(&mut replay, &sender).await == Passed::Records {}
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Records,
    NothingLeft,
    /// The reader is gone, or was told of a failure.
    Over,
}

async fn pass_on(
    replay: &mut Replay,
    sender: &mpsc::Sender<std::io::Result<Vec<LogRecord>>>,
) -> Passed {
    let batch = replay.next().await;
    if batch.as_ref().is_ok_and(Vec::is_empty) {
        return Passed::NothingLeft;
    }
    let is_failure = batch.is_err();
    if sender.send(batch).await.is_err() || is_failure { Passed::Over } else { Passed::Records }
}

/// The run of a container that is followed: like Docker's, a stream ends with it and does not go
/// on with the next, since clients open a new one for that.
struct Run {
    progress: tokio::sync::watch::Receiver<Progress>,
    exits: u64,
}

impl Run {
    fn of(container: &Container) -> Self {
        let progress = container.watch();
        let exits = progress.borrow().exits;
        Self { progress, exits }
    }

    fn has_ended(&mut self) -> bool {
        let now = *self.progress.borrow_and_update();
        now.is_removed
            || now.exits != self.exits
            || !matches!(now.phase, Phase::Running | Phase::Paused)
    }
}

/// The directory and not the file: rotation replaces the file.
#[expect(
    deprecated,
    reason = "its successor is unsafe; an OwnedFd stays open and is never swapped"
)]
fn watch_directory(dir: &Path) -> std::io::Result<AsyncFd<std::os::fd::OwnedFd>> {
    use inotify::{CreateFlags, WatchFlags};
    let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let events = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&fd, dir, events)?;
    AsyncFd::new(fd)
}

async fn follow(
    mut replay: Replay,
    watch: AsyncFd<std::os::fd::OwnedFd>,
    mut run: Run,
    sender: mpsc::Sender<std::io::Result<Vec<LogRecord>>>,
) {
    loop {
        // Asked before reading: what was written before the end is read after it was seen.
        let has_ended = run.has_ended();
        drain(&watch);
        loop {
            match pass_on(&mut replay, &sender).await {
                Passed::Records => {}
                Passed::NothingLeft => break,
                Passed::Over => return,
            }
        }
        if has_ended || replay.is_finished() {
            return;
        }
        tokio::select! {
            _ = watch.readable() => {}
            changed = run.progress.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
            () = tokio::time::sleep(RECHECK) => {}
        }
    }
}

/// Takes the announcements that are there, so that readiness means a new one.
fn drain(watch: &AsyncFd<std::os::fd::OwnedFd>) {
    let waker = futures_util::task::noop_waker();
    let mut context = std::task::Context::from_waker(&waker);
    // Readiness is noted before reading: an announcement that comes meanwhile is not cleared.
    let std::task::Poll::Ready(Ok(mut guard)) = watch.poll_read_ready(&mut context) else { return };
    let mut buffer = [0u8; 4096];
    while rustix::io::read(watch.get_ref(), &mut buffer).is_ok_and(|n| n > 0) {}
    guard.clear_ready();
}
