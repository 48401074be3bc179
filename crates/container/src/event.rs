//! What happened in the engine: a bounded memory of recent events and a live feed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::broadcast;

use crate::clock::now_nanos;

/// How many past events are kept for `since` queries.
const HISTORY: usize = 4096;
/// How far a subscriber may fall behind before it is told that it missed some.
const BACKLOG: usize = 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `container`, `image`, `volume`, `network`, `daemon`.
    pub kind: &'static str,
    /// `create`, `start`, `exec_start: sh`, ...
    pub action: String,
    /// Id or name of the object.
    pub actor: String,
    /// Name, image, labels, exit code and so on.
    pub attributes: BTreeMap<String, String>,
    /// Nanoseconds since the Unix epoch.
    pub time_nanos: i64,
}

/// The bus; cheap to clone.
#[derive(Clone)]
pub struct Events {
    history: Arc<Mutex<VecDeque<Arc<Event>>>>,
    live: broadcast::Sender<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { history: Arc::default(), live: broadcast::channel(BACKLOG).0 }
    }
}

impl Events {
    /// Records an event and hands it to every subscriber.
    pub fn publish(
        &self,
        kind: &'static str,
        action: impl Into<String>,
        actor: impl Into<String>,
        attributes: BTreeMap<String, String>,
    ) {
        let event = Arc::new(Event {
            kind,
            action: action.into(),
            actor: actor.into(),
            attributes,
            time_nanos: now_nanos(),
        });
        // One lock for both, so that a subscriber sees each event exactly once.
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(Arc::clone(&event));
        // An error here means that nobody listens.
        let _ = self.live.send(event);
    }

    /// Past events since `since_nanos` (none when absent), and the live feed from there on.
    #[must_use]
    pub fn subscribe(
        &self,
        since_nanos: Option<i64>,
    ) -> (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let past = match since_nanos {
            Some(since) => history.iter().filter(|e| e.time_nanos >= since).cloned().collect(),
            None => Vec::new(),
        };
        (past, self.live.subscribe())
    }

    /// How many subscribers there are.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.live.receiver_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn past_and_live_without_gap_or_overlap() {
        let events = Events::default();
        events.publish("container", "create", "a", BTreeMap::new());
        let (past, mut live) = events.subscribe(Some(0));
        events.publish("container", "start", "a", BTreeMap::new());
        assert_eq!(past.len(), 1);
        assert_eq!(live.recv().await.unwrap().action, "start");
        assert!(live.try_recv().is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let events = Events::default();
        for _ in 0..HISTORY + 10 {
            events.publish("container", "top", "a", BTreeMap::new());
        }
        assert_eq!(events.subscribe(Some(0)).0.len(), HISTORY);
    }
}
