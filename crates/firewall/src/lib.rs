//! firewall: see docs/architecture.md.
