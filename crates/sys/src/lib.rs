//! sys: see docs/architecture.md.

pub mod activation;
pub mod socket_queue;
