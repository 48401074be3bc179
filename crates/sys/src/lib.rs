//! sys: see docs/architecture.md.

pub mod allocator;
