//! What happened in the engine: a log that is kept, and subscriptions to it.
//!
//! Publishing notes the event in memory, wakes subscribers and hands it to a thread that appends
//! to the [`metadata::event_log`] many at a time: whoever publishes waits for no disk.
//!
//! A subscription is a position in the numbered sequence of events, not a queue: it reads the
//! recent ones from memory and older ones from the log, so a slow subscriber takes no memory and
//! misses nothing that is still kept.

mod log_thread;
mod side_effect;
mod subscription;

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use metadata::event_log::Event;
use metadata::event_log::{EventLogError, Writer};
use tokio::sync::watch;

use crate::clock::now_nanos;

use log_thread::LogThread;
pub use subscription::Subscription;

/// How many recent events are in memory, besides those that are not yet in the log.
const RECENT: usize = 256;
/// How many are, when there is no log.
const RECENT_WITHOUT_LOG: usize = 4096;

/// The events of the engine; cheap to clone.
#[derive(Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

struct Inner {
    memory: Mutex<Memory>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
    log: Option<LogThread>,
}

/// What is in memory.
struct Memory {
    recent: VecDeque<Arc<Event>>,
    newest: u64,
}

impl Default for Events {
    /// Events that are not kept.
    fn default() -> Self {
        Self::over(None, 0)
    }
}

impl Events {
    /// Opens the log in `dir` and goes on with it.
    ///
    /// # Errors
    /// [`EventLogError::File`].
    pub fn open(dir: &Path) -> Result<Self, EventLogError> {
        let writer = Writer::open(dir)?;
        let newest = writer.last();
        Ok(Self::over(Some(LogThread::start(dir, writer)?), newest))
    }

    fn over(log: Option<LogThread>, newest: u64) -> Self {
        let memory = Mutex::new(Memory { recent: VecDeque::new(), newest });
        Self { inner: Arc::new(Inner { memory, newest: watch::channel(newest).0, log }) }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event and tells every subscriber.
    pub fn publish(
        &self,
        kind: &'static str,
        action: impl Into<String>,
        actor: impl Into<String>,
        attributes: BTreeMap<String, String>,
    ) {
        let (action, actor) = (action.into(), actor.into());
        // One lock for time and number, so that both grow together.
        let mut memory = self.memory();
        let number = memory.newest + 1;
        let event = Arc::new(Event {
            number,
            time_nanos: now_nanos(),
            kind: kind.into(),
            action,
            actor,
            attributes,
        });
        memory.newest = number;
        self.inner.trim(&mut memory.recent);
        memory.recent.push_back(Arc::clone(&event));
        if let Some(log) = &self.inner.log {
            log.append(event);
        }
        self.inner.newest.send_replace(number);
    }

    /// Follows events: with `since_nanos` what has happened since then first, without gap or
    /// overlap.
    #[must_use]
    pub fn subscribe(&self, since_nanos: Option<i64>) -> Subscription {
        Subscription::new(self.clone(), since_nanos)
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.inner.newest.receiver_count()
    }

    /// Waits until everything that was published is in the log.
    pub async fn flush(&self) {
        if let Some(log) = &self.inner.log {
            let newest = self.memory().newest;
            log.wait_for(newest).await;
        }
    }
}

impl Inner {
    /// Forgets what is in the log, as far as it is not recent.
    fn trim(&self, recent: &mut VecDeque<Arc<Event>>) {
        let (room, logged) = match &self.log {
            Some(log) => (RECENT, log.logged()),
            None => (RECENT_WITHOUT_LOG, u64::MAX),
        };
        while recent.len() >= room && recent.front().is_some_and(|event| event.number <= logged) {
            recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(events: &Events, actions: std::ops::RangeInclusive<usize>) {
        for number in actions {
            events.publish("container", format!("a{number}"), "c", BTreeMap::new());
        }
    }

    async fn next(subscription: &mut Subscription, count: usize) -> Vec<String> {
        let mut actions = Vec::new();
        for _ in 0..count {
            actions.push(subscription.next().await.unwrap().action.clone());
        }
        actions
    }

    fn names(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
        numbers.map(|number| format!("a{number}")).collect()
    }

    #[tokio::test]
    async fn past_and_live_without_gap_or_overlap() {
        let events = Events::default();
        publish(&events, 1..=1);
        let (mut all, mut live) = (events.subscribe(Some(0)), events.subscribe(None));
        publish(&events, 2..=2);
        assert_eq!(next(&mut all, 2).await, names(1..=2));
        assert_eq!(next(&mut live, 1).await, names(2..=2));
        assert_eq!(events.subscribers(), 2);
    }

    #[tokio::test]
    async fn memory_is_bounded_with_and_without_a_log() {
        let events = Events::default();
        publish(&events, 1..=RECENT_WITHOUT_LOG + 10);
        assert_eq!(events.memory().recent.len(), RECENT_WITHOUT_LOG);
        assert_eq!(next(&mut events.subscribe(Some(0)), 1).await, names(11..=11));
        let dir = tempfile::tempdir().unwrap();
        let events = Events::open(dir.path()).unwrap();
        publish(&events, 1..=2 * RECENT);
        events.flush().await;
        publish(&events, 2 * RECENT + 1..=2 * RECENT + 1);
        assert!(events.memory().recent.len() <= RECENT);
    }

    #[tokio::test]
    async fn what_was_published_before_a_restart_is_still_there() {
        let dir = tempfile::tempdir().unwrap();
        let events = Events::open(dir.path()).unwrap();
        publish(&events, 1..=1000);
        events.flush().await;
        drop(events);
        let events = Events::open(dir.path()).unwrap();
        publish(&events, 1001..=1400);
        let mut all = events.subscribe(Some(0));
        assert_eq!(next(&mut all, 1400).await, names(1..=1400));
        publish(&events, 1401..=1401);
        assert_eq!(next(&mut all, 1).await, names(1401..=1401));
    }

    #[tokio::test]
    async fn a_slow_subscriber_misses_nothing_that_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let events = Events::open(dir.path()).unwrap();
        let mut slow = events.subscribe(None);
        publish(&events, 1..=10 * RECENT);
        events.flush().await;
        publish(&events, 10 * RECENT + 1..=11 * RECENT);
        assert_eq!(next(&mut slow, 11 * RECENT).await, names(1..=11 * RECENT));
    }

    #[tokio::test]
    async fn only_what_is_not_too_old_is_replayed() {
        let dir = tempfile::tempdir().unwrap();
        let events = Events::open(dir.path()).unwrap();
        publish(&events, 1..=400);
        events.flush().await;
        let since = now_nanos();
        publish(&events, 401..=402);
        assert_eq!(next(&mut events.subscribe(Some(since)), 2).await, names(401..=402));
        let mut past = events.subscribe(Some(0)).until_now();
        let mut count = 0;
        while past.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 402);
    }
}
