//! volume: see docs/architecture.md.
