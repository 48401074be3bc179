//! System calls behind safe functions: the one crate that may hold `unsafe`.
//!
//! See docs/architecture.md. Each module is one kernel facility and can be used alone.

pub mod confine;
pub mod overlay;
pub mod removal;
pub mod xattr;
