//! The thread that appends to the log.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use metadata::event_log::{Event, EventLogError, Writer};
use tokio::sync::watch;

/// How long further events are waited for: one write then takes them all.
const GATHERING: Duration = Duration::from_millis(5);

/// The log's end of the events. Dropping it waits until the thread has written what it got.
pub(super) struct LogThread {
    dir: PathBuf,
    /// There until the drop.
    queue: Option<mpsc::Sender<Arc<Event>>>,
    thread: Option<thread::JoinHandle<()>>,
    logged: watch::Receiver<u64>,
}

impl Drop for LogThread {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the event log has panicked");
        }
    }
}

impl LogThread {
    pub(super) fn start(dir: &Path, writer: Writer) -> Result<Self, EventLogError> {
        let (queue, events) = mpsc::channel();
        let (told, logged) = watch::channel(writer.last());
        let failed = |source| EventLogError::File {
            action: "start a thread for",
            path: dir.to_owned(),
            source,
        };
        // Ends when the queue's other end is dropped.
        let thread = thread::Builder::new()
            .name("event-log".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || append_all(writer, &events, &told))
            .map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), queue: Some(queue), thread: Some(thread), logged })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn append(&self, event: Arc<Event>) {
        if let Some(queue) = &self.queue {
            // The thread ends only after this end of the queue.
            let _ = queue.send(event);
        }
    }

    /// The number of the newest event that is in the log.
    pub(super) fn logged(&self) -> u64 {
        *self.logged.borrow()
    }

    pub(super) async fn wait_for(&self, number: u64) {
        // An error means that the thread has gone, and with it the wait's purpose.
        let _ = self.logged.clone().wait_for(|logged| *logged >= number).await;
    }
}

fn append_all(mut writer: Writer, events: &mpsc::Receiver<Arc<Event>>, told: &watch::Sender<u64>) {
    let mut is_failing = false;
    while let Ok(first) = events.recv() {
        thread::sleep(GATHERING);
        let batch: Vec<_> = std::iter::once(first).chain(events.try_iter()).collect();
        let outcome = writer.append(&batch);
        if let Err(error) = &outcome
            && !is_failing
        {
            tracing::warn!(error = %types::error::chain(error), "events are not kept");
        }
        is_failing = outcome.is_err();
        // Told in any case: what cannot be written must not fill the memory instead.
        if let Some(last) = batch.last() {
            told.send_replace(last.number);
        }
    }
}
