//! The built `gantry-shim`, driven by the engine's client, with real containers.

#![allow(clippy::unwrap_used, reason = "a fixture's failure is the test's")]

mod external;
mod fixture;
mod lifecycle;
mod limits;
mod streams;
mod terminal;
