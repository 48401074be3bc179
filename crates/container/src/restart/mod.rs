//! Restarts: the policy, the wait, the attempt, and the order at the engine's start.
//!
//! A restart is decided on in the same write that notes the end of a run (or the failure of a
//! start), so that nobody sees a container that has ended for good and then runs again. From then
//! on it is `restarting`: a task waits and starts it, unless a caller stops, kills or removes it
//! meanwhile. A start that fails is an attempt like a run that ends at once: the wait grows, and
//! the policy's bound counts it.

mod attempt;
mod boot;
mod dependency;
mod policy;

pub use policy::{Policy, delay, is_settled};
