//! Containers: lifecycle, exec, attach, logs, events.
//!
//! # Truth
//! Desired state is a [`record::Record`], actual state a [`state::State`]; both are rows. The
//! actual actual state is the kernel's and the supervisor's: a row that disagrees is corrected at
//! the engine's start ([`Containers::reconcile`]) and whenever a supervisor reports.
//!
//! # Locks
//! Each container has one lock for operations (start, stop, remove, ... exclude each other) that
//! may be held across awaits, and one for its data that never is. A caller holds at most one
//! container's operation lock.
//!
//! # Refuses
//! What is not built is an error ([`ContainerError::NotBuilt`]), never passed over in silence.

mod account;
mod account_cache;
mod attach;
pub mod cgroup_mode;
mod cgroup_moves;
pub mod clock;
mod container;
mod containers;
mod create;
mod error;
mod event;
mod exec;
mod files;
mod generated_name;
pub mod health;
mod host_files;
mod host_mount;
mod host_source;
mod human;
mod image_usage;
mod inspect;
mod joined_namespace;
pub mod link;
mod log_config;
mod log_stream;
mod merged_config;
mod mount_plan;
mod mount_request;
mod namespace_mode;
mod network_mode;
mod path_in_container;
mod phase;
mod port_request;
mod reconcile;
pub mod record;
mod remove;
pub mod restart;
mod root_view;
mod seccomp_cache;
mod settings;
mod shared_memory;
mod shim_pool;
mod signal;
mod spec;
mod start;
mod start_failure;
pub mod state;
mod stats;
mod stop;
mod supervise;
mod top;
mod update;
mod volume_copy;
mod wait;

pub use account::AccountError;
pub use attach::{Attached, JoinStream, check_attachable};
pub use cgroup_moves::FavorDynmods;
pub use container::{Container, Progress};
pub use container_log::{LogPosition, LogQuery, LogRecord, StreamKind, Timestamp};
pub use containers::{Containers, Services};
pub use create::{Created, NewContainer};
pub use error::ContainerError;
pub use event::{Event, Events, Subscription};
pub use exec::{Exec, ExecStart, ExecState};
pub use files::{FoundPath, PathInfo, RootExport, WriteRequest};
pub use image_usage::ImageUsage;
pub use inspect::{ListNames, Sizes, api_state, mount_point};
pub use log_config::{DRIVERS as LOG_DRIVERS, LogConfigPlan, ReadableLog};
pub use log_stream::{LogBatches, LogExtent, Replay};
pub use network_mode::NetworkMode;
pub use reconcile::Report;
pub use remove::RemoveOptions;
pub use settings::{DefaultSeccomp, DnsSettings, NATIVE_RUNTIME, RuntimeSetting, Settings};
pub use snapshot::{Change, ChangeKind, Collision};
pub use stats::host_memory_bytes;
pub use stop::StopOptions;
pub use wait::{WaitCondition, Waited};
