//! gantry-runtime: see docs/architecture.md.

fn main() {}
