//! The configuration directory: `config.json`, `contexts/`, TLS files. Its layout is docker's.
//!
//! It is `~/.gantry` unless `--config`, `GANTRY_CONFIG` or `DOCKER_CONFIG` say otherwise. Credentials
//! that are not there are looked for in `~/.docker/config.json`, which is never written.

mod context;
mod credentials;
mod endpoint;
mod file;

pub(crate) use context::check_name;
pub use context::{Context, ContextStore, DEFAULT_CONTEXT, EndpointMeta};
pub use credentials::{Credentials, registry_of, shown_registry};
pub use endpoint::{Choice, choose};
pub(crate) use file::write_private;
pub use file::{ConfigFile, Directory};
