//! What containers write, kept and passed on: messages, log files, and the wire to log sinks.
//!
//! Written by the supervisor (`gantry-shim`), passed on by `gantry-logger`, read by the engine.
//!
//! # Files
//! A log is `PATH` and its predecessors `PATH.1` (newest) to `PATH.N`, each possibly compressed
//! (`.gz`). Two formats: Docker's `json-file` (see [`json`]) and `local` (see [`entry`]).
//! Whoever renames or lists the files of a log holds a lock on their directory, so that a reader
//! never sees a rotation half done. A file is known by its inode; a compressed one carries the
//! inode of its original in its header.
//!
//! # Refuses
//! Nothing here touches the network, and nothing blocks but on the disk.

pub mod compress;
pub mod entry;
pub mod escape;
mod files;
pub mod json;
mod lines;
mod log_file;
mod message;
mod read;
mod rotation;
pub mod sink;
mod timestamp;
pub mod wire;

pub use escape::escape;
pub use lines::Lines;
pub use log_file::{Batch, Format, LogFile, LogFileSettings};
pub use message::{MAX_MESSAGE_BYTES, Message, Part, StreamKind, part_id_text};
pub use read::{LogPosition, LogQuery, LogReader, LogRecord};
pub use rotation::Rotation;
pub use timestamp::Timestamp;
