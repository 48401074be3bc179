//! The registry over HTTP: OCI distribution-spec 1.1, for the hub and for the engine.
//!
//! Translates and never decides: what exists is `registry`'s matter, who may is a [`Guard`]'s,
//! which the program brings. Every request is judged before anything is looked up, so that a name
//! which the caller may not see answers alike whether it exists or not.
//!
//! Bodies stream in both directions; memory per request does not depend on a blob's size.

mod answer;
mod blob;
mod body;
mod guard;
mod listing;
mod manifest;
mod query;
mod range;
mod referrer;
mod route;
mod serve;
mod upload;

pub use guard::{Action, Guard, Need, Refusal, Session};
pub use serve::router;
