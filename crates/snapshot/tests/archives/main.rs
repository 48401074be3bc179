//! Layer archives: of every format, hostile, made and read by other programs, damaged at random.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

mod attacks;
mod formats;
mod interoperation;
mod mutation;
mod support;
