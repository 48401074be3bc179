//! engine-http: see docs/architecture.md.
