//! The options of `run`, `create` (and partly `update`, `exec`): from flags to the documents that
//! the engine takes.
//!
//! What an option comes to on the wire is docker's, down to which of two places a value goes to
//! (`-v` makes binds, `--mount` makes mounts), because engines and their clients compare documents.

pub mod build;
pub mod device;
pub mod environment;
pub mod gpus;
mod health;
pub mod host_config;
pub mod mount;
pub mod network;
pub mod port;
pub mod ulimit;
pub mod volume;
