//! distribution: see docs/architecture.md.
