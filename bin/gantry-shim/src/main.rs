//! gantry-shim: see docs/architecture.md.

fn main() {}
