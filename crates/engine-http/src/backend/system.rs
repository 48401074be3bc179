//! What `/version`, `/info`, `/auth`, `/events` and `/system/df` need.

use async_trait::async_trait;
use engine_api::{
    auth::{AuthConfig, AuthResponse},
    disk_usage::DiskUsage,
    event::EventMessage,
    info::SystemInfo,
    version::SystemVersion,
};
use futures_util::stream::BoxStream;

use crate::{Answer, Filters, Timestamp};

/// `GET /events`
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Replay from here; `None` is from now.
    pub since: Option<Timestamp>,
    /// End the stream here; in the past it is a replay only. `None` is never.
    pub until: Option<Timestamp>,
    /// `config container daemon event image label network node plugin scope secret service type
    /// volume`; unknown names match nothing.
    pub filters: Filters,
}

/// `GET /system/df`: the kinds to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsageQuery {
    /// Containers.
    pub containers: bool,
    /// Images.
    pub images: bool,
    /// Volumes.
    pub volumes: bool,
    /// The build cache.
    pub build_cache: bool,
    /// Fill `items`.
    pub verbose: bool,
}

/// What the engine's own resources need.
#[async_trait]
pub trait SystemBackend: Send + Sync + 'static {
    /// Whether the engine is ready, asked by `_ping`; an error is answered instead of `OK`.
    async fn ping(&self) -> Answer<()>;

    /// Which engine this is.
    async fn version(&self) -> Answer<SystemVersion>;

    /// The engine and its host.
    async fn info(&self) -> Answer<SystemInfo>;

    /// Checks credentials with their registry; the status is `Login Succeeded`.
    async fn auth(&self, credentials: AuthConfig) -> Answer<AuthResponse>;

    /// What takes room: fill the `*_usage` fields of the kinds that were asked for; the edge
    /// makes the older lists out of their `items`.
    async fn disk_usage(&self, query: DiskUsageQuery) -> Answer<DiskUsage>;

    /// Subscribes to events: first the replay, then live ones, in order, without a gap. Fill
    /// `kind action actor scope time time_nano`; the edge adds the older keys.
    async fn events(&self, query: EventQuery) -> Answer<BoxStream<'static, EventMessage>>;
}
