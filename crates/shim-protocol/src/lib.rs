//! The messages between the engine (`gantryd`) and a container's supervisor (`gantry-shim`).
//!
//! # Wire
//! One `SOCK_STREAM` unix socket per engine connection. Each message is
//!
//! ```text
//! +----------------+----------------------+
//! | u32 LE length  | JSON, `length` bytes |     length <= 16 MiB
//! +----------------+----------------------+
//! ```
//!
//! File descriptors travel by `SCM_RIGHTS` attached to the first byte of the length; a message
//! names how many it carries and in which order ([`Request::fd_count`]). The engine sends
//! [`Call`]s with a serial number of its own; the shim answers each with one [`Reply`] of the
//! same serial and sends unasked [`Event`]s at any time. The version is exchanged in the shim's
//! first message, [`Hello`]; a shim outlives the engine that started it, so an engine must speak
//! every version that it ever shipped.
//!
//! # Layout of a shim's directory (`EXEC_ROOT/shims/CONTAINER_ID/`)
//! ```text
//! shim.sock    listening socket, mode 0600
//! shim.pid     "PID START_TIME\n": start time as in /proc/PID/stat field 22, against pid reuse
//! exit.json    ExitRecord, written once (temp file + rename) when init has ended
//! ```

pub mod frame;
pub mod message;

pub use message::*;

/// The protocol version that this build speaks.
pub const VERSION: u32 = 1;
/// Upper bound of one message's JSON in bytes.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Upper bound of file descriptors that one message carries.
pub const MAX_FDS: usize = 32;
