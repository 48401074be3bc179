//! sys: see docs/architecture.md.

pub mod socket_queue;
