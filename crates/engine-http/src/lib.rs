//! The Engine API over HTTP: listeners, versions, error documents, hijacked connections, and one
//! router per resource.
//!
//! This crate translates and never decides. Every router declares the narrow trait that it needs
//! in [`backend`]; `adapter` implements those traits over the services, tests implement them in
//! memory. What arrives is parsed here into typed arguments (signals, filters, timestamps, image
//! references); what a backend returns are documents of `engine_api` or streams. Differences
//! between API versions live in the `compat` modules beside the routers.
//!
//! Limits: request heads, JSON bodies, open connections and the time for a head are bounded (see
//! [`server::Limits`]). Source: `engine-api-v1.55.yaml`, and Docker's clients where they differ.

pub mod adapter;
pub mod answer;
pub mod api;
pub mod api_error;
pub mod api_version;
pub mod backend;
pub mod body;
pub mod byte_stream;
pub mod compat;
pub mod detach_keys;
pub mod filters;
pub mod hijack;
pub mod parameters;
pub mod routes;
pub mod scope;
pub mod server;
pub mod stdcopy;
pub mod timestamp;
mod websocket;

pub use api::Api;
pub use api_error::{Answer, ApiError};
pub use api_version::ApiVersion;
pub use byte_stream::ByteStream;
pub use filters::Filters;
pub use hijack::{Attachment, Framing, Hijacked};
pub use routes::{router, router_with_sockets};
pub use server::Server;
pub use timestamp::Timestamp;
