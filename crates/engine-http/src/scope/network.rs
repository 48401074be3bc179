//! `/networks` through a scope: with a filter, the networks of the containers that are seen.

use std::collections::BTreeSet;

use async_trait::async_trait;
use engine_api::network::{
    Network, NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse,
    NetworkDisconnectRequest, NetworkPruneReport,
};

use super::Scoped;
use crate::{
    Answer, ApiError, Filters,
    backend::{NetworkBackend, network::InspectNetwork},
};

impl Scoped {
    async fn seen_networks(&self, filters: Filters) -> Answer<Vec<Network>> {
        let mut networks = self.inner.network.list(filters).await?;
        if self.scope.is_narrowed() {
            let used = self.used().await?.networks;
            networks.retain(|network| used.contains(&network.id) || used.contains(&network.name));
        }
        Ok(networks)
    }

    /// The full id of a network that is seen.
    async fn seen_network(&self, reference: &str) -> Answer<String> {
        let networks = self.seen_networks(Filters::default()).await?;
        let exact = networks.iter().find(|n| n.id == reference || n.name == reference);
        let mut prefixed =
            networks.iter().filter(|n| !reference.is_empty() && n.id.starts_with(reference));
        match (exact, prefixed.next(), prefixed.next()) {
            (Some(network), ..) | (None, Some(network), None) => Ok(network.id.clone()),
            _ => Err(ApiError::not_found(format!("network {reference} not found"))),
        }
    }

    async fn hide_others(&self, network: &mut Network) -> Answer<()> {
        let visible = self.visible().await?;
        let ids: BTreeSet<_> = visible.iter().map(|container| container.id.as_str()).collect();
        network.containers.retain(|id, _| ids.contains(id.as_str()));
        Ok(())
    }
}

#[async_trait]
impl NetworkBackend for Scoped {
    async fn list(&self, filters: Filters) -> Answer<Vec<Network>> {
        let mut networks = self.seen_networks(filters).await?;
        for network in &mut networks {
            if self.scope.is_narrowed() {
                network.containers.clear();
            }
            self.scope.redaction.network(network);
        }
        Ok(networks)
    }

    async fn inspect(&self, id: &str, options: InspectNetwork) -> Answer<Network> {
        let mut network = if self.scope.is_narrowed() {
            let id = self.seen_network(id).await?;
            let mut network = self.inner.network.inspect(&id, options).await?;
            self.hide_others(&mut network).await?;
            network
        } else {
            self.inner.network.inspect(id, options).await?
        };
        self.scope.redaction.network(&mut network);
        Ok(network)
    }

    async fn create(&self, request: NetworkCreateRequest) -> Answer<NetworkCreateResponse> {
        self.inner.network.create(request).await
    }

    async fn connect(&self, id: &str, request: NetworkConnectRequest) -> Answer<()> {
        self.inner.network.connect(id, request).await
    }

    async fn disconnect(&self, id: &str, request: NetworkDisconnectRequest) -> Answer<()> {
        self.inner.network.disconnect(id, request).await
    }

    async fn remove(&self, id: &str) -> Answer<()> {
        self.inner.network.remove(id).await
    }

    async fn prune(&self, filters: Filters) -> Answer<NetworkPruneReport> {
        self.inner.network.prune(filters).await
    }
}
