//! Waiting for a state, with a deadline and without guessing how long it takes.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything in a test may take before it counts as never.
pub const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(10);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Waits until `attempt` gives something.
///
/// # Panics
/// When it does not within [`PATIENCE`].
#[track_caller]
pub fn eventually_some<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, attempt).unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}"))
}

/// What `attempt` gives within `patience`.
pub fn within<T>(patience: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(STEP);
    }
}
