//! `/networks` over the network service.

use std::collections::BTreeMap;

use ::network::{Driver, NetworkInfo};
use async_trait::async_trait;
use engine_api::network::{
    EndpointResource, Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkCreateResponse, NetworkDisconnectRequest, NetworkPruneReport,
};

use super::Engine;
use crate::{
    Answer, ApiError, Filters,
    backend::{NetworkBackend, network::InspectNetwork},
};

fn document(info: NetworkInfo) -> Network {
    let mut options = BTreeMap::new();
    let mut ipam = Ipam { driver: "default".to_owned(), options: None, config: Some(Vec::new()) };
    if let Some(bridge) = &info.bridge {
        for (name, value) in [
            ("default_bridge", "true".to_owned()),
            ("enable_icc", bridge.inter_container.to_string()),
            ("enable_ip_masquerade", bridge.masquerade.to_string()),
            ("host_binding_ipv4", bridge.default_host_ip.to_string()),
            ("name", bridge.link.to_string()),
        ] {
            options.insert(format!("com.docker.network.bridge.{name}"), value);
        }
        options.insert("com.docker.network.driver.mtu".to_owned(), bridge.mtu.to_string());
        ipam.config = Some(vec![IpamConfig {
            subnet: bridge.subnet.to_string(),
            gateway: bridge.gateway.to_string(),
            ..IpamConfig::default()
        }]);
    }
    let containers = info.endpoints.into_iter().map(|endpoint| {
        let resource = EndpointResource {
            name: endpoint.name,
            endpoint_id: endpoint.endpoint_id.to_string(),
            mac_address: endpoint.mac.to_string(),
            ipv4_address: endpoint.address.to_string(),
            ipv6_address: String::new(),
        };
        (endpoint.container.to_string(), resource)
    });
    Network {
        name: info.name,
        id: info.id.to_string(),
        created: ::container::clock::rfc3339(info.created_at),
        scope: "local".to_owned(),
        driver: driver_name(info.driver).to_owned(),
        enable_ipv4: true,
        ipam,
        containers: containers.collect(),
        options: Some(options),
        labels: Some(BTreeMap::new()),
        ..Network::default()
    }
}

fn driver_name(driver: Driver) -> &'static str {
    driver.as_str()
}

fn is_admitted(network: &Network, filters: &Filters) -> Answer<bool> {
    let contains = |name: &str, value: &str| {
        let wanted = filters.get(name);
        wanted.is_empty() || wanted.iter().any(|w| value.contains(w.as_str()))
    };
    let is_builtin = ["bridge", "host", "none"].contains(&network.name.as_str());
    let kinds = filters.get("type");
    if let Some(other) = kinds.iter().find(|kind| !["custom", "builtin"].contains(&kind.as_str())) {
        return Err(ApiError::invalid(format!("invalid filter: 'type'='{other}'")));
    }
    let kind = if is_builtin { "builtin" } else { "custom" };
    let is_unused = network.containers.is_empty() && !is_builtin;
    Ok(contains("name", &network.name)
        && contains("id", &network.id)
        && filters.admits("driver", &network.driver)
        && filters.admits("scope", &network.scope)
        && filters.admits("type", kind)
        && filters.admits_labels("label", &network.labels.clone().unwrap_or_default())
        && filters.flag("dangling")?.is_none_or(|wanted| wanted == is_unused))
}

fn user_defined() -> ApiError {
    ApiError::not_implemented("a user-defined network")
}

#[async_trait]
impl NetworkBackend for Engine {
    async fn list(&self, filters: Filters) -> Answer<Vec<Network>> {
        filters.allow_only(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
        let mut admitted = Vec::new();
        for network in self.networks.list().into_iter().map(document) {
            if is_admitted(&network, &filters)? {
                // Lists do not say who is connected; inspection does.
                admitted.push(Network { containers: BTreeMap::new(), ..network });
            }
        }
        Ok(admitted)
    }

    async fn inspect(&self, id: &str, options: InspectNetwork) -> Answer<Network> {
        if options.scope.as_deref().is_some_and(|scope| !matches!(scope, "" | "local")) {
            return Err(ApiError::not_found(format!("network {id} not found")));
        }
        Ok(document(self.networks.get(id)?))
    }

    async fn create(&self, request: NetworkCreateRequest) -> Answer<NetworkCreateResponse> {
        if ["bridge", "host", "none"].contains(&request.name.as_str()) {
            return Err(ApiError::new(
                types::ErrorKind::PermissionDenied,
                format!("operation is not permitted on predefined {} network", request.name),
            ));
        }
        Err(user_defined())
    }

    async fn connect(&self, id: &str, request: NetworkConnectRequest) -> Answer<()> {
        self.networks.get(id)?;
        self.containers.find(&request.container)?;
        Err(ApiError::not_implemented("connecting a container to a further network"))
    }

    async fn disconnect(&self, id: &str, request: NetworkDisconnectRequest) -> Answer<()> {
        self.networks.get(id)?;
        self.containers.find(&request.container)?;
        Err(ApiError::not_implemented("disconnecting a container from a network"))
    }

    async fn remove(&self, id: &str) -> Answer<()> {
        let network = self.networks.get(id)?;
        Err(ApiError::new(
            types::ErrorKind::PermissionDenied,
            format!("{} is a pre-defined network and cannot be removed", network.name),
        ))
    }

    async fn prune(&self, filters: Filters) -> Answer<NetworkPruneReport> {
        filters.allow_only(&["until", "label", "label!"])?;
        // Only user-defined networks can be unused, and there are none yet.
        Ok(NetworkPruneReport { networks_deleted: Some(Vec::new()) })
    }
}
