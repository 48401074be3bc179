//! Gantry's OCI runtime: containers from a configuration, without helper processes.
//!
//! # How a container starts
//! The creator opens whatever belongs to the host (the root and bind sources as detached mounts,
//! namespaces, devices), then `clone3`s straight into the new namespaces. The child is a fork: it
//! attaches the mounts it inherited, enters the root, takes its identity and waits; the creator
//! meanwhile puts it into its cgroups. One more word, and it calls `execve`. A failure in the
//! child arrives in the creator whole, over a socket pair; its closing means success.
//!
//! # What it refuses
//! Anything the configuration asks for that is not built is an error, never passed over. It is
//! synchronous and meant for single-threaded callers (see [`sys::clone`]).
//!
//! Source: opencontainers runtime-spec 1.2; behaviour where the specification is silent is runc's.

mod affinity;
mod capability;
pub mod cgroup;
mod cgroup_view;
mod channel;
mod command;
mod copy_up;
mod device;
mod entry;
mod error;
mod exec;
pub mod external;
pub mod fifo;
mod filter;
mod home;
pub mod hook;
mod id_map;
mod init;
mod launch;
mod limits;
mod listener;
mod memory_policy;
mod mount_options;
mod mount_plan;
mod namespace;
mod oci_runtime;
mod parent;
mod proc_cover;
mod process;
mod renewal;
mod rootfs;
mod scheduler;
pub mod seccomp;
mod settling;
mod stdio;
mod sysctl;
mod terminal;
mod tree;

pub use affinity::cpu_mask;
pub use capability::{NAMES as CAPABILITY_NAMES, unknown as unknown_capabilities};
pub use entry::{HostRoot, RootChange};
pub use error::{Errno, RuntimeError, RuntimeErrorKind, exec_failure, start_failure};
pub use exec::{ExecLaunch, exec};
pub use id_map::RootOwners;
pub use launch::{Created, Extras, Keyring, Launch, Orphan, Running, create, create_behind_fifo};
pub use listener::Agent;
pub use namespace::{NamespaceKind, Namespaces};
pub use oci_runtime::{Native, OciRuntime, Pending};
pub use stdio::Stdio;
