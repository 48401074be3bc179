//! System calls behind safe functions: the one crate that may hold `unsafe`.
//!
//! See docs/architecture.md. Each module is one kernel facility and can be used alone.
//! sys: see docs/architecture.md.

pub mod confine;
pub mod netlink;
pub mod netns;
pub mod overlay;
pub mod removal;
pub mod xattr;
