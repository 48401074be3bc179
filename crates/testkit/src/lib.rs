//! testkit: a private engine for tests, driven through the real command line clients.
//!
//! [`Engine::start`] launches the built `gantryd` with roots in a temporary directory and a
//! bridge, subnet, table and cgroup of its own (a [`slot::Slot`]); dropping it ends everything by
//! pid and fails the test when something of it is left on the machine.
//!
//! The programs are looked for beside the test executable (`target/PROFILE/`), so build them
//! before: `cargo build --bins`. `GANTRY_TEST_BINARIES` names another directory.
//!
//! Refuses to touch what is not the slot's: no names, processes or mounts of others.

pub mod accounting;
pub mod api;
pub mod client;
pub mod engine;
pub mod hub;
pub mod image_tar;
pub mod poll;
pub mod process;
pub mod random;
pub mod slot;

pub use accounting::Accounting;
pub use client::{Output, Session};
pub use engine::{Engine, Options};
pub use hub::Hub;
pub use image_tar::ImageTar;
pub use poll::{eventually, eventually_some};
pub use random::Random;
