//! gantry-hub: see docs/architecture.md.

fn main() {}
