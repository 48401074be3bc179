//! Standard streams: what a process writes, what it reads, and who is attached to it.

mod client;
mod input;
mod output;
mod plumbing;

pub use client::{Client, Framing, QUEUE_LIMIT_BYTES};
pub use input::{Input, InputPolicy, InputState};
pub use output::{Output, ReadOutcome};
pub use plumbing::{ChildStdio, OurEnds, Plumbing, StdinSource};

/// One of a process' output streams. A terminal's output counts as standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl StreamKind {
    /// As it stands in a log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// The number in a stdcopy frame.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}
