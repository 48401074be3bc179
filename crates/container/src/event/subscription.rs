//! Following the events.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use metadata::event_log::{Event, EventLogError, Reader};
use tokio::sync::watch;

use super::Events;

/// How many events are read from the log at a time.
const BATCH: usize = 256;

/// A position in the sequence of events.
pub struct Subscription {
    events: Events,
    newest: watch::Receiver<u64>,
    /// The number of the last event that was handed out or passed over.
    position: u64,
    /// What is older is passed over.
    since_nanos: Option<i64>,
    /// Ends after this number.
    last: Option<u64>,
    ready: VecDeque<Arc<Event>>,
    log: Log,
}

/// Reading the part that is not in memory.
enum Log {
    /// From a time on; not begun.
    Since(PathBuf, i64),
    /// From the position on, when need be.
    Closed,
    Open(Box<Reader>),
}

impl Subscription {
    pub(super) fn new(events: Events, since_nanos: Option<i64>) -> Self {
        let memory = events.memory();
        let newest = events.inner.newest.subscribe();
        let oldest = memory.recent.front();
        let (position, log) = match (since_nanos, &events.inner.log) {
            (None, _) => (memory.newest, Log::Closed),
            // All that is wanted is in memory.
            (Some(since), Some(_)) if oldest.is_some_and(|event| event.time_nanos < since) => {
                (oldest.map_or(0, |event| event.number), Log::Closed)
            }
            (Some(since), Some(log)) => (0, Log::Since(log.dir().to_owned(), since)),
            (Some(_), None) => (0, Log::Closed),
        };
        drop(memory);
        let ready = VecDeque::new();
        Self { events, newest, position, since_nanos, last: None, ready, log }
    }

    /// Ends with the newest event there is.
    #[must_use]
    pub fn until_now(mut self) -> Self {
        self.last = Some(self.events.memory().newest);
        self
    }

    /// The next event; waits for it unless the subscription ends before.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.last.is_some_and(|last| self.position >= last) {
                return None;
            }
            let is_caught_up = self.position >= *self.newest.borrow_and_update();
            if is_caught_up {
                self.newest.changed().await.ok()?;
            } else {
                self.advance().await;
            }
        }
    }

    /// Takes the next events from memory, or from the log if memory begins later.
    async fn advance(&mut self) {
        let since = self.since_nanos.unwrap_or(i64::MIN);
        let missing_until = {
            let memory = self.events.memory();
            let begins = memory.recent.front().map_or(memory.newest + 1, |event| event.number);
            if begins <= self.position + 1 || self.events.inner.log.is_none() {
                let fresh = memory.recent.iter().filter(|event| event.number > self.position);
                self.ready.extend(fresh.filter(|event| event.time_nanos >= since).cloned());
                self.position = memory.newest;
                self.log = Log::Closed;
                None
            } else {
                Some(begins - 1)
            }
        };
        match missing_until {
            None => {}
            Some(until) => self.advance_in_log(until, since).await,
        }
        if let Some(last) = self.last {
            self.ready.retain(|event| event.number <= last);
        }
    }

    async fn advance_in_log(&mut self, missing_until: u64, since: i64) {
        match self.read_log(missing_until).await {
            Ok((events, position)) => {
                let fresh = events.into_iter().filter(|event| event.time_nanos >= since);
                self.ready.extend(fresh.map(Arc::new));
                self.position = position;
            }
            Err(error) => {
                tracing::warn!(error = %types::error::chain(&error), "cannot read past events");
                self.position = missing_until;
            }
        }
    }

    /// A batch of events up to number `last`, and the position after it.
    async fn read_log(&mut self, last: u64) -> Result<(Vec<Event>, u64), EventLogError> {
        let log = std::mem::replace(&mut self.log, Log::Closed);
        let dir = self.events.inner.log.as_ref().map(|log| log.dir().to_owned());
        let position = self.position;
        let read = move || -> Result<_, EventLogError> {
            let mut reader = match (log, dir) {
                (Log::Open(reader), _) => reader,
                (Log::Since(dir, since), _) => Box::new(Reader::since(&dir, since)?),
                (Log::Closed, Some(dir)) => Box::new(Reader::after(&dir, position)?),
                (Log::Closed, None) => return Ok((Vec::new(), None)),
            };
            let events = reader.read(BATCH, last)?;
            Ok((events, Some(reader)))
        };
        let (events, reader) = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "reading past events was cut short");
            Ok((Vec::new(), None))
        })?;
        // Without events there is nothing more before `last`: what was there is too old to be kept.
        let position = match (&reader, events.is_empty()) {
            (Some(reader), false) => reader.position(),
            _ => last,
        };
        self.log = reader.map_or(Log::Closed, Log::Open);
        Ok((events, position))
    }
}
