//! Standard streams: what a process writes, what it reads, and who is attached to it.

mod client;
mod input;
mod output;
mod plumbing;

pub use container_log::StreamKind;

pub use client::{Client, Framing, QUEUE_LIMIT_BYTES};
pub use input::{Input, InputPolicy, InputState};
pub use output::{Output, ReadOutcome};
pub use plumbing::{ChildStdio, OurEnds, Plumbing, StdinSource};
