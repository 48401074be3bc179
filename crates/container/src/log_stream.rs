//! Following a container's log: what is there, then what comes, until the container ends.

use std::{path::Path, sync::Arc, time::Duration};

use rustix::fs::inotify;
use tokio::{io::unix::AsyncFd, sync::mpsc};

use crate::{
    ContainerError, Containers,
    container::Container,
    log_config::{LogConfigPlan, log_path},
    logs::{LogQuery, LogReader, LogRecord},
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

impl Containers {
    /// Reads a container's log.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] when its driver keeps nothing to read.
    pub fn logs(
        &self,
        container: &Arc<Container>,
        query: LogQuery,
        is_followed: bool,
    ) -> Result<LogBatches, ContainerError> {
        let record = container.record();
        if !LogConfigPlan::parse(&record.host_config.log_config)?.is_readable() {
            return Err(ContainerError::NotBuilt(
                "configured logging driver does not support reading".into(),
            ));
        }
        let dir = self.data_dir(&record.id);
        let path = log_path(&record, &dir);
        let failed = |source| ContainerError::File { action: "read", path: path.clone(), source };
        let reader = LogReader::open(&path, query).map_err(failed)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        if is_followed {
            let watch = watch_directory(&dir).map_err(failed)?;
            // Ends when the container does, or when the receiver is gone.
            tokio::spawn(follow(reader, watch, Arc::clone(container), sender));
        } else {
            tokio::task::spawn_blocking(move || read_all(reader, &sender));
        }
        Ok(receiver)
    }
}

fn read_all(mut reader: LogReader, sender: &mpsc::Sender<std::io::Result<Vec<LogRecord>>>) {
    loop {
        let batch = reader.next_batch(BATCH);
        let is_end = batch.as_ref().map_or(true, Vec::is_empty);
        if is_end && batch.is_ok() {
            return;
        }
        if sender.blocking_send(batch).is_err() || is_end {
            return;
        }
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
    mut reader: LogReader,
    watch: AsyncFd<std::os::fd::OwnedFd>,
    container: Arc<Container>,
    sender: mpsc::Sender<std::io::Result<Vec<LogRecord>>>,
) {
    let mut progress = container.watch();
    loop {
        // Asked before reading: what was written before the end is read after it was seen.
        let has_ended = {
            let now = *progress.borrow_and_update();
            now.is_removed
                || !matches!(now.phase, Phase::Running | Phase::Paused | Phase::Restarting)
        };
        drain(&watch);
        loop {
            let outcome = tokio::task::spawn_blocking(move || {
                let batch = reader.next_batch(BATCH);
                (reader, batch)
            })
            .await;
            let Ok((returned, batch)) = outcome else { return };
            reader = returned;
            match batch {
                Ok(batch) if batch.is_empty() => break,
                Ok(batch) => {
                    if sender.send(Ok(batch)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // The receiver may be gone as well; then nobody is to be told.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        }
        if has_ended || reader.is_finished() {
            return;
        }
        tokio::select! {
            _ = watch.readable() => {}
            changed = progress.changed() => if changed.is_err() { return },
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
