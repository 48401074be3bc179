//! System calls behind safe functions; the only home of `unsafe` in the workspace.
//!
//! What `rustix` wraps is used from there directly; a module is here when `rustix` has no (safe)
//! wrapper, or when several calls make one operation of Gantry's. Linux only, kernel 5.12 and up.

pub mod child_signal;
pub mod clone;
pub mod descriptor;
pub mod device_filter;
pub mod execute;
pub mod heap;
pub mod mount;
pub mod overlay;
pub mod process;
pub mod sealed;
pub mod seccomp;
pub mod signal;
