//! How long the parts of a start and of an end took: events at level debug, which
//! `cargo xtask bench` makes its breakdown of.

use std::time::Instant;

use types::ContainerId;

/// Measures one part after the other.
pub(crate) struct Stopwatch<'a> {
    container: &'a ContainerId,
    since: Instant,
}

impl<'a> Stopwatch<'a> {
    pub(crate) fn start(container: &'a ContainerId) -> Self {
        Self { container, since: Instant::now() }
    }

    /// The part that ends here; the next one begins.
    pub(crate) fn lap(&mut self, part: &'static str) {
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(container.id = %self.container, micros, part, "phase");
        self.since = Instant::now();
    }
}
