//! The backend traits over the services. Translates, never decides.

mod attach;
mod container;
mod container_filter;
mod disk_usage;
mod event;
mod exec;
mod export_pipe;
mod files;
mod image;
mod log_frames;
mod network;
mod registries;
mod system;
mod volume;

use std::sync::Arc;

use ::container::Containers;
use ::image::Images;
use ::network::Networks;
use ::volume::Volumes;

use crate::{Answer, ApiError, backend::Backends};

pub use system::EngineFacts;

/// Everything that the routers serve.
#[derive(Clone)]
pub struct Engine {
    containers: Containers,
    images: Images,
    networks: Networks,
    volumes: Volumes,
    facts: Arc<EngineFacts>,
}

impl Engine {
    /// Joins the services.
    #[must_use]
    pub fn new(
        containers: Containers,
        images: Images,
        networks: Networks,
        volumes: Volumes,
        facts: EngineFacts,
    ) -> Self {
        Self { containers, images, networks, volumes, facts: Arc::new(facts) }
    }

    /// The backends of all routers.
    #[must_use]
    pub fn backends(self) -> Backends {
        let engine = Arc::new(self);
        Backends {
            system: engine.clone(),
            container: engine.clone(),
            exec: engine.clone(),
            image: engine.clone(),
            volume: engine.clone(),
            network: engine,
        }
    }
}

/// Runs work that blocks on the store or the disk away from the async threads.
async fn blocking<T: Send + 'static, E: Into<ApiError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| {
            ApiError::new(
                types::ErrorKind::Internal,
                format!("the operation was cut short: {error}"),
            )
        })?
        .map_err(Into::into)
}
