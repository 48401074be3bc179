//! System calls behind safe functions: the one crate that may hold `unsafe`.
//!
//! See docs/architecture.md. Each module is one kernel facility and can be used alone.
//! sys: see docs/architecture.md.
//! System calls behind safe functions; the only home of `unsafe` in the workspace.
//!
//! What `rustix` wraps is used from there directly; a module is here when `rustix` has no (safe)
//! wrapper, or when several calls make one operation of Gantry's. Linux only, kernel 5.12 and up.

pub mod activation;
pub mod allocator;
pub mod child_signal;
pub mod clone;
pub mod confine;
pub mod copy;
pub mod descriptor;
pub mod device_filter;
pub mod execute;
pub mod foreground;
pub mod heap;
pub mod mapped_overlay;
pub mod mount;
pub mod netlink;
pub mod netns;
pub mod overlay;
pub mod process;
pub mod removal;
pub mod sealed;
pub mod seccomp;
pub mod signal;
pub mod socket_queue;
pub mod trash;
pub mod user_namespace;
pub mod xattr;
