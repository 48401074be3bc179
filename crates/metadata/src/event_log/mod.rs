//! Events on disk: an append-only log in segments, bounded as a whole.
//!
//! # Layout (`DATA_ROOT/events/`)
//! ```text
//! 00000000000000000001.log    named by the number of its first event
//! 00000000000000013370.log    one JSON object per line:
//!   {"n":13370,"t":1700000000000000000,"k":"container","a":"start","i":"ID","x":{"name":"web"}}
//! ```
//! A segment is closed at [`SEGMENT_BYTES`]; the oldest go when there are more than
//! [`SEGMENTS`]. Numbers grow by one per event, over the engine's restarts too, and are what
//! readers go by; times may jump with the host's clock.
//!
//! # Invariants
//! - One writer. What it has written survives `kill -9` of the engine; it does not sync, so a power
//!   loss may take the last seconds. A line that a crash has cut off is no event: readers pass
//!   over it, and the writer begins a new segment.
//! - Readers need no lock: they read whole lines, up to a number that was written.

mod reader;
mod writer;

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use reader::Reader;
pub use writer::Writer;

/// A segment that is this long gets no more events.
pub const SEGMENT_BYTES: u64 = 4 << 20;
/// How many segments are kept.
pub const SEGMENTS: usize = 16;
/// The longest line that is read: a container's labels are its owner's.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    #[serde(rename = "n")]
    pub number: u64,
    /// Nanoseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub time_nanos: i64,
    /// `container`, `image`, `volume`, `network`, `daemon`.
    #[serde(rename = "k")]
    pub kind: Cow<'static, str>,
    /// `create`, `start`, `exec_start: sh`, ...
    #[serde(rename = "a")]
    pub action: String,
    /// Id or name of the object.
    #[serde(rename = "i")]
    pub actor: String,
    /// Name, image, labels, exit code and so on.
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// Why the log did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EventLogError {
    /// A file operation.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An event that is no JSON.
    #[error("cannot encode an event")]
    Encode(#[from] serde_json::Error),
}

impl types::Classify for EventLogError {
    fn kind(&self) -> types::ErrorKind {
        types::ErrorKind::Internal
    }
}

/// A segment: the number of its first event, and its path.
type Segment = (u64, PathBuf);

/// The segments, oldest first; other files are passed over.
fn segments(dir: &std::path::Path) -> Result<Vec<Segment>, EventLogError> {
    let failed = |source| EventLogError::File { action: "list", path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".log")?.parse::<u64>().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;

    /// An event at ten times its number.
    pub(crate) fn event(number: u64) -> Arc<Event> {
        Arc::new(Event {
            number,
            time_nanos: i64::try_from(number).unwrap() * 10,
            kind: "container".into(),
            action: "start".to_owned(),
            actor: "a".to_owned(),
            attributes: BTreeMap::new(),
        })
    }
}
