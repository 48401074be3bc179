//! `gantry-shim`: the supervisor of one container.
//!
//! Parent of the container's init. Holds its streams, writes its log, serves attached clients,
//! reaps what ends, records how init ended, and waits to be released; `gantryd` may die and come
//! back meanwhile. One thread around one epoll set; nothing is read that cannot be put somewhere,
//! so memory stays bounded and small. Speaks `shim-protocol`.
//!
//! A library so that its parts can be tested and measured; `main.rs` is the program.

pub mod arguments;
pub mod backend;
pub mod buffers;
pub mod complaints;
pub mod detachment;
pub mod directory;
mod ending;
mod engine;
mod failure;
pub mod log;
mod memory_watch;
pub mod poller;
pub mod process;
mod requests;
pub mod stream;
pub mod supervisor;
