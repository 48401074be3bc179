//! registry-http: see docs/architecture.md.
