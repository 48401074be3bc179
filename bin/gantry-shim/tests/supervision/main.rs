//! The built `gantry-shim`, driven by the engine's client, with real containers.

mod fixture;
mod lifecycle;
mod streams;
