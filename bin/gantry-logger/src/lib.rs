//! `gantry-logger`: sends one container's messages to a sink outside.
//!
//! Started by the container's supervisor, which knows no network, with a socket as its standard
//! input (see `container_log::wire`). One thread takes frames into a bounded queue, one sends; a
//! sink that does not keep up holds the first one up or costs messages, as the container's `mode`
//! says. Ends with the container, at most [`run::LAST_TIME`] later.
//!
//! `gantry-logger compress PATH INODE` compresses a rotated log file.

pub mod queue;
pub mod run;
pub mod sink;
