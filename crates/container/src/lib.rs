//! container: see docs/architecture.md.
