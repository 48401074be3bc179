//! What `/gantry/api-sockets` needs.

use async_trait::async_trait;
use engine_api::api_socket::{ApiSocket, ApiSocketCreateRequest};

use crate::Answer;

/// What the routes of scoped sockets need from the engine.
#[async_trait]
pub trait ApiSocketBackend: Send + Sync + 'static {
    /// Makes a socket and serves it; `Conflict` when the name or the path is taken.
    async fn create(&self, request: ApiSocketCreateRequest) -> Answer<ApiSocket>;

    /// Lists sockets by name.
    async fn list(&self) -> Answer<Vec<ApiSocket>>;

    /// Describes a socket. `No such API socket: NAME` if there is none.
    async fn inspect(&self, name: &str) -> Answer<ApiSocket>;

    /// Ends a socket and every connection through it.
    async fn remove(&self, name: &str) -> Answer<()>;
}
