//! engine-api: see docs/architecture.md.
