//! The documents of the Docker Engine API v1.55, as its clients see them: no logic, no I/O.
//!
//! One model for both sides. A server writes what Go's `encoding/json` writes for Docker's own
//! structures: a nil list or map is `null` ([`Option`] here), a field that Docker marks
//! `omitempty` is left out. A reader takes what Go takes: unknown keys are ignored, `null` means
//! "not given", and (through [`decode`]) keys match without regard to case.
//!
//! Read bytes from the network with [`decode::from_slice`]; writing is `serde_json::to_vec`.
//!
//! Source: `engine-api-v1.55.yaml`. Swarm, plugin and build documents are not modelled.

#[macro_use]
mod document;
pub mod decode;
mod null;

pub mod api_socket;
pub mod auth;
pub mod container;
pub mod descriptor;
pub mod disk_usage;
pub mod error;
pub mod event;
pub mod exec;
pub mod health;
pub mod host_config;
pub mod image;
pub mod info;
pub mod mount;
pub mod network;
pub mod port;
pub mod progress;
pub mod stats;
pub mod syntax;
pub mod version;
pub mod volume;

pub use decode::{DocumentError, from_body, from_slice, from_value};
pub use types::Secret;

/// The newest version of the API that these documents describe.
pub const API_VERSION: &str = "1.55";
/// The oldest version that a server still answers.
pub const MIN_API_VERSION: &str = "1.24";

/// How "never" is written.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// A set written Go's way: `{"80/tcp": {}}`.
pub type Set = std::collections::BTreeMap<String, Empty>;
/// Strings by string: labels, options, annotations.
pub type StringMap = std::collections::BTreeMap<String, String>;

document! {
    /// The empty object `{}`.
    #[derive(Copy, Eq)]
    pub struct Empty {}
}
