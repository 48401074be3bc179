//! What `/networks` needs.

use async_trait::async_trait;
use engine_api::network::{
    Network, NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse,
    NetworkDisconnectRequest, NetworkPruneReport,
};

use crate::{Answer, Filters};

/// `GET /networks/{id}`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InspectNetwork {
    /// With swarm services.
    pub verbose: bool,
    /// Only in this scope (`local`, `swarm`, `global`).
    pub scope: Option<String>,
}

/// What `/networks` needs from the engine.
#[async_trait]
pub trait NetworkBackend: Send + Sync + 'static {
    /// Lists networks, `Containers` left empty (filters `dangling driver id label name scope
    /// type`).
    async fn list(&self, filters: Filters) -> Answer<Vec<Network>>;

    /// Describes a network with its containers. `network NAME not found` if there is none.
    async fn inspect(&self, id: &str, options: InspectNetwork) -> Answer<Network>;

    /// Makes a network; `Conflict` with `network with name NAME already exists`.
    async fn create(&self, request: NetworkCreateRequest) -> Answer<NetworkCreateResponse>;

    /// Joins a container.
    async fn connect(&self, id: &str, request: NetworkConnectRequest) -> Answer<()>;

    /// Takes a container out.
    async fn disconnect(&self, id: &str, request: NetworkDisconnectRequest) -> Answer<()>;

    /// Removes a network; `PermissionDenied` for predefined ones and such that are in use.
    async fn remove(&self, id: &str) -> Answer<()>;

    /// Removes unused networks (filters `until`, `label`, `label!`).
    async fn prune(&self, filters: Filters) -> Answer<NetworkPruneReport>;
}
