//! hub-http: see docs/architecture.md.
