//! sys: see docs/architecture.md.

pub mod netlink;
pub mod netns;
