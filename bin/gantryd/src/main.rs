//! gantryd: see docs/architecture.md.

fn main() {}
