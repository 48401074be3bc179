//! Where the services are made and handed to the API.

use std::sync::Arc;

use engine_http::backend::Backends;
use tokio::sync::watch;

use crate::config::Config;

/// The engine's services.
pub struct Engine {
    /// What the API's routers need.
    pub backends: Backends,
}

/// Makes the services and recovers their state; returns when the engine may answer.
///
/// `config` changes when SIGHUP reloads it; only the keys of
/// [`crate::reload::RELOADABLE`] ever differ.
///
/// # Errors
/// A service cannot be opened.
pub async fn wire(_config: watch::Receiver<Arc<Config>>) -> anyhow::Result<Engine> {
    Ok(Engine { backends: Backends::unbuilt() })
}

impl Engine {
    /// Ends the services after the last request. Containers keep running unless the
    /// configuration says `stop-containers-on-exit`.
    pub async fn stop(self) {}
}
