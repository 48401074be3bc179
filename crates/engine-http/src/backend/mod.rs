//! What the routers need from the engine: one narrow trait per resource.
//!
//! Rules for implementations:
//! - A `&str` that names an object is what the client wrote: a name, a full id or a unique
//!   prefix of an id; resolve it, and answer `NotFound` with Docker's text
//!   (`No such container: x`, `No such image: x:latest`, `network x not found`, ...).
//! - Any error that implements [`types::Classify`] converts into [`crate::ApiError`] with `?`.
//! - Documents are returned for the newest API version; older forms are made by the edge.
//! - A future may be dropped at any await point when the client goes away: work that must finish
//!   belongs on a task that the service owns.
//! - Streams are pulled only as fast as the client reads; dropping one means "stop".

pub mod api_socket;
pub mod container;
pub mod exec;
pub mod image;
pub mod network;
pub mod system;
pub mod unbuilt;
pub mod volume;

pub use api_socket::ApiSocketBackend;
pub use container::ContainerBackend;
pub use exec::ExecBackend;
pub use image::ImageBackend;
pub use network::NetworkBackend;
pub use system::SystemBackend;
pub use unbuilt::Unbuilt;
pub use volume::VolumeBackend;

use std::sync::Arc;

/// All backends of an engine.
#[derive(Clone)]
pub struct Backends {
    /// `/version`, `/info`, `/events`, ...
    pub system: Arc<dyn SystemBackend>,
    /// `/containers`
    pub container: Arc<dyn ContainerBackend>,
    /// `/exec`
    pub exec: Arc<dyn ExecBackend>,
    /// `/images`, `/commit`, `/distribution`
    pub image: Arc<dyn ImageBackend>,
    /// `/volumes`
    pub volume: Arc<dyn VolumeBackend>,
    /// `/networks`
    pub network: Arc<dyn NetworkBackend>,
}

impl Backends {
    /// Backends that answer 501 to everything.
    #[must_use]
    pub fn unbuilt() -> Self {
        let unbuilt = Arc::new(Unbuilt);
        Self {
            system: unbuilt.clone(),
            container: unbuilt.clone(),
            exec: unbuilt.clone(),
            image: unbuilt.clone(),
            volume: unbuilt.clone(),
            network: unbuilt,
        }
    }
}

/// Height and width of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}
