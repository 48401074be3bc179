//! netdev: see docs/architecture.md.
