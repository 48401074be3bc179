//! blob-store: see docs/architecture.md.
