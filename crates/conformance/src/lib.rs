//! conformance: tests only. Each file of `tests/` drives a real engine through the real `docker`
//! client (and sometimes `gantry`) and looks at one topic.
//!
//! Run `cargo build --bins` first; see `testkit`.
