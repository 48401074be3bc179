//! Health: checks that say whether a running container works.
//!
//! # How it goes
//! A [`Check`] is parsed from the container's configuration (the caller's merged with the
//! image's). While init runs and is not frozen, one monitor per container probes at the check's
//! intervals, one probe at a time, and notes each result in [`Health`], which is part of the
//! container's state. A change of status is an event and a row; single results are neither, since a
//! disk write per probe would cost more than a result is worth.
//!
//! # Statuses
//! `starting` until the first success or too many failures, then `healthy` or `unhealthy`.
//! Docker's clients know that a container whose checks do not run (frozen or ended) is
//! `unhealthy`; so it is here. An engine that starts again goes on with what it knew.
//!
//! # Probes
//! `CMD` and `CMD-SHELL` run a command in the container, as Docker has it. `HTTP`, `TCP` and
//! `GRPC` are the engine's own: it connects from within the container's network namespace, so the
//! image needs no tools and no process is started.

mod check;
mod endpoint;
mod exec_probe;
mod go_duration;
mod grpc_probe;
mod http_probe;
mod monitor;
mod output;
mod reaction;
mod socket;
mod status;

pub use check::{Check, Probe, merge, unknown_test};
pub use endpoint::{GrpcTarget, HttpTarget};
pub use go_duration::go_duration;
pub(crate) use monitor::Monitor;
pub use reaction::{ACTION_LABEL, Action, BUDGET_LABEL, Budget, Reaction};
pub use status::{Health, ProbeResult, Status};
