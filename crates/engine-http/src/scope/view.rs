//! The engine as one scope sees it: which containers exist, and what they use.

use std::{collections::BTreeSet, sync::Arc};

use engine_api::container::ContainerSummary;

use super::Scope;
use crate::{
    Answer, ApiError, Filters,
    backend::{
        Backends,
        container::{ListContainers, SizeWanted},
    },
};

/// The backends of an engine behind a scope.
#[derive(Clone)]
pub struct Scoped {
    pub(super) scope: Arc<Scope>,
    pub(super) inner: Backends,
}

/// What the containers of a scope use.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Ids and names.
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Ids.
    pub images: Vec<String>,
}

impl Scoped {
    /// Puts a scope before backends.
    #[must_use]
    pub fn new(scope: Arc<Scope>, inner: Backends) -> Self {
        Self { scope, inner }
    }

    /// The same as backends for routers.
    #[must_use]
    pub fn backends(self) -> Backends {
        let scoped = Arc::new(self);
        Backends {
            system: scoped.clone(),
            container: scoped.clone(),
            exec: scoped.clone(),
            image: scoped.clone(),
            volume: scoped.clone(),
            network: scoped,
        }
    }

    /// Adds the scope's labels to the filters of a list of containers.
    pub(super) fn narrow(&self, filters: &mut Filters) {
        for label in &self.scope.labels {
            filters.add("label", label);
        }
    }

    /// All containers that are seen, running or not.
    pub(super) async fn visible(&self) -> Answer<Vec<ContainerSummary>> {
        let mut filters = Filters::default();
        self.narrow(&mut filters);
        self.inner.container.list(ListContainers { all: true, filters, ..Default::default() }).await
    }

    /// The container that a name, id or prefix means among those that are seen: its full id.
    /// What is not seen is absent, so it makes no prefix ambiguous either.
    pub(super) async fn resolve(&self, reference: &str) -> Answer<String> {
        if !self.scope.is_narrowed() {
            return Ok(reference.to_owned());
        }
        // A whole id or name needs no list.
        if let Ok(found) = self.inner.container.inspect(reference, SizeWanted::No).await {
            let is_exact = found.id == reference || found.name.trim_start_matches('/') == reference;
            if is_exact && self.scope.admits(&found.config.labels) {
                return Ok(found.id);
            }
        }
        let is_prefix = !reference.is_empty() && reference.bytes().all(|b| b.is_ascii_hexdigit());
        let mut matches = self
            .visible()
            .await?
            .into_iter()
            .filter(|container| is_prefix && container.id.starts_with(reference));
        match (matches.next(), matches.next()) {
            (Some(only), None) => Ok(only.id),
            (Some(_), Some(_)) => Err(ApiError::invalid(format!(
                "Multiple IDs found with provided prefix: {reference}"
            ))),
            (None, _) => Err(ApiError::not_found(format!("No such container: {reference}"))),
        }
    }

    pub(super) async fn used(&self) -> Answer<Used> {
        let mut used = Used::default();
        for container in self.visible().await? {
            for (name, endpoint) in container.network_settings.networks {
                used.networks.extend([name, endpoint.network_id]);
            }
            let volumes = container.mounts.into_iter().filter(|mount| mount.kind == "volume");
            used.volumes.extend(volumes.map(|mount| mount.name));
            used.images.push(container.image_id);
        }
        // Of a container that has no address yet.
        used.networks.remove("");
        Ok(used)
    }
}
