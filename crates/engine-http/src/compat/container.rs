//! Containers: requests below 1.55 lifted, answers below 1.52 lowered.

use engine_api::{
    container::{
        ContainerCreateRequest, ContainerInspect, ContainerSummary, ContainerUpdateRequest,
    },
    host_config::HostConfig,
    mount::Mount,
    network::{EndpointSettings, LegacyNetworkSettings, NetworkingConfig},
    port::PortBinding,
};
use serde_json::Value;

use super::{merge, value};
use crate::{Answer, ApiError, ApiVersion};

const DEFAULT_NETWORK: &str = "bridge";

/// Lifts a create request to the newest form and returns warnings for the client.
///
/// # Errors
/// 400 for what the client's version does not allow.
pub fn lift_create(
    request: &mut ContainerCreateRequest,
    version: ApiVersion,
) -> Answer<Vec<String>> {
    check_ports(request)?;
    let mac_address = std::mem::take(&mut request.config.mac_address);
    let host = request.host_config.get_or_insert_default();
    let networking = request.networking_config.get_or_insert_default();
    name_default_network(host, networking);
    lift_mounts(host.mounts.as_mut_slice(), version)?;
    lift_host_config(host, version);
    if version.is_before(44) {
        if let Some(check) = &mut request.config.healthcheck {
            check.start_interval = 0;
        }
        refuse_several_networks(networking)?;
    }
    if version.is_before(48) {
        for endpoint in networking.endpoints_config.iter_mut().flat_map(|all| all.values_mut()) {
            endpoint.gw_priority = 0;
        }
    }
    let mut warnings = Vec::new();
    warnings.extend(move_mac_address(mac_address, &host.network_mode, networking, version)?);
    warnings.extend(fill_port_bindings(host, version));
    host.resources.pids_limit = host.resources.pids_limit.filter(|limit| *limit > 0);
    Ok(warnings)
}

/// Ports are keys of the document: Docker's decoder refuses what is none.
fn check_ports(request: &ContainerCreateRequest) -> Answer<()> {
    let bound = request.host_config.iter().flat_map(|host| host.port_bindings.iter().flatten());
    for spec in request.config.exposed_ports.keys().chain(bound.map(|(spec, _)| spec)) {
        if spec.is_empty() {
            return Err(ApiError::invalid("invalid JSON: invalid port: value is empty"));
        }
        let number = spec.split('/').next().unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let cause = match number.parse::<u16>() {
            Ok(_) if is_number => continue,
            Err(_) if is_number => "value out of range",
            _ => "invalid syntax",
        };
        return Err(ApiError::invalid(format!("invalid JSON: invalid port '{number}': {cause}")));
    }
    Ok(())
}

/// `default` is this engine's `bridge`, also as the key of an endpoint.
fn name_default_network(host: &mut HostConfig, networking: &mut NetworkingConfig) {
    if !matches!(host.network_mode.as_str(), "" | "default") {
        return;
    }
    DEFAULT_NETWORK.clone_into(&mut host.network_mode);
    if let Some(endpoints) = &mut networking.endpoints_config
        && let Some(endpoint) = endpoints.remove("default")
    {
        endpoints.insert(DEFAULT_NETWORK.to_owned(), endpoint);
    }
}

fn lift_host_config(host: &mut HostConfig, version: ApiVersion) {
    if version.is_before(40) && host.ipc_mode.is_empty() {
        "shareable".clone_into(&mut host.ipc_mode);
    }
    if version.is_before(42) {
        host.console_size = [0, 0];
    }
    if version.is_before(43) {
        host.annotations.clear();
    }
}

fn lift_mounts(mounts: &mut [Mount], version: ApiVersion) -> Answer<()> {
    for mount in mounts {
        if version.is_before(42) {
            forget_foreign_options(mount, version);
        } else {
            refuse_foreign_options(mount)?;
        }
        refuse_newer_mounts(mount, version)?;
    }
    Ok(())
}

fn forget_foreign_options(mount: &mut Mount, version: ApiVersion) {
    if mount.kind != "volume" {
        mount.volume_options = None;
    }
    if mount.kind != "tmpfs" {
        mount.tmpfs_options = None;
    }
    if let Some(bind) = &mut mount.bind_options {
        bind.create_mountpoint = false;
        bind.non_recursive &= version.is_at_least(40);
    }
}

fn refuse_foreign_options(mount: &Mount) -> Answer<()> {
    let given = [
        ("VolumeOptions", mount.volume_options.is_some(), "volume"),
        ("BindOptions", mount.bind_options.is_some(), "bind"),
        ("TmpfsOptions", mount.tmpfs_options.is_some(), "tmpfs"),
    ];
    match given.iter().find(|(_, is_given, kind)| *is_given && mount.kind != *kind) {
        None => Ok(()),
        Some((name, ..)) => Err(ApiError::invalid(format!(
            "{name} must not be specified on mount type {:?}",
            mount.kind
        ))),
    }
}

fn refuse_newer_mounts(mount: &mut Mount, version: ApiVersion) -> Answer<()> {
    let needs = |what: &str, minor: u16| {
        Err(ApiError::invalid(format!("{what} needs API v1.{minor} or newer")))
    };
    if version.is_before(44) && mount.kind == "bind" {
        let bind = mount.bind_options.get_or_insert_default();
        if bind.read_only_force_recursive {
            return needs("BindOptions.ReadOnlyForceRecursive", 44);
        }
        // Read-only mounts were never recursive before 1.44.
        bind.read_only_non_recursive |= mount.read_only;
    }
    let has_subpath = mount.volume_options.as_ref().is_some_and(|o| !o.subpath.is_empty());
    if version.is_before(45) && has_subpath {
        return needs("VolumeOptions.Subpath", 45);
    }
    if version.is_before(48) && mount.kind == "image" {
        return needs("Mount type \"Image\"", 48);
    }
    Ok(())
}

fn refuse_several_networks(networking: &NetworkingConfig) -> Answer<()> {
    let Some(endpoints) = networking.endpoints_config.as_ref().filter(|all| all.len() > 1) else {
        return Ok(());
    };
    let names: Vec<&str> = endpoints.keys().map(String::as_str).collect();
    Err(ApiError::invalid(format!(
        "Container cannot be created with multiple network endpoints: {}",
        names.join(", ")
    )))
}

/// The container-wide MAC address belongs to the endpoint of the main network.
fn move_mac_address(
    address: String,
    network_mode: &str,
    networking: &mut NetworkingConfig,
    version: ApiVersion,
) -> Answer<Option<String>> {
    if address.is_empty() {
        return Ok(None);
    }
    if version.is_at_least(52) {
        return Err(ApiError::invalid(
            "container-wide MAC address no longer supported; use endpoint-specific MAC address \
             instead",
        ));
    }
    let is_private = matches!(network_mode, "host" | "none") || network_mode.contains(':');
    if !is_private {
        let endpoint = main_endpoint(network_mode, networking, version)?;
        if !endpoint.mac_address.is_empty() && endpoint.mac_address != address {
            return Err(ApiError::invalid(
                "the container-wide MAC address must match the endpoint-specific MAC address for \
                 the main network, or be left empty",
            ));
        }
        endpoint.mac_address = address;
    }
    Ok(version.is_at_least(44).then(|| {
        "The container-wide MacAddress field is now deprecated. It should be specified in \
         EndpointsConfig instead."
            .to_owned()
    }))
}

fn main_endpoint<'a>(
    network_mode: &str,
    networking: &'a mut NetworkingConfig,
    version: ApiVersion,
) -> Answer<&'a mut EndpointSettings> {
    let endpoints = networking.endpoints_config.get_or_insert_default();
    if endpoints.is_empty() {
        return Ok(endpoints.entry(network_mode.to_owned()).or_default());
    }
    let endpoint = if version.is_before(44) {
        endpoints.values_mut().next()
    } else {
        endpoints.get_mut(network_mode)
    };
    endpoint.ok_or_else(|| {
        ApiError::invalid(
            "unable to migrate container-wide MAC address to a specific network: \
             HostConfig.NetworkMode must match the identity of a network in \
             NetworkSettings.Networks",
        )
    })
}

/// A port without bindings is published to an ephemeral port of all addresses.
fn fill_port_bindings(host: &mut HostConfig, version: ApiVersion) -> Option<String> {
    let mut empty = Vec::new();
    for (port, bindings) in host.port_bindings.iter_mut().flatten() {
        if bindings.as_ref().is_none_or(Vec::is_empty) {
            *bindings = Some(vec![PortBinding::default()]);
            empty.push(port.as_str());
        }
    }
    (version.is_at_least(52) && !empty.is_empty()).then(|| {
        format!(
            "Following container port(s) have an empty list of port-bindings: {}. Such bindings \
             will be discarded in a future version.",
            empty.join(", ")
        )
    })
}

/// Takes out of an update what the client's version did not have.
pub fn lift_update(request: &mut ContainerUpdateRequest, version: ApiVersion) {
    let resources = &mut request.resources;
    if version.is_before(40) {
        resources.pids_limit = None;
    }
    if version.is_before(55) {
        resources.blkio_weight_device = None;
        resources.blkio_device_read_bps = None;
        resources.blkio_device_write_bps = None;
        resources.blkio_device_read_iops = None;
        resources.blkio_device_write_iops = None;
    }
    // Any number that is no limit means "unlimited".
    resources.pids_limit = resources.pids_limit.map(|limit| limit.max(0));
}

/// Lowers a list.
pub fn lower_list(containers: &mut [ContainerSummary], version: ApiVersion) {
    for container in containers {
        if version.is_before(46) {
            container.host_config.annotations.clear();
        }
        if version.is_before(48) {
            container.image_manifest_descriptor = None;
        }
        if version.is_before(52) {
            container.health = None;
        }
    }
}

/// Lowers an inspection.
///
/// # Errors
/// 500 if the document cannot be written.
pub fn lower_inspect(mut container: ContainerInspect, version: ApiVersion) -> Answer<Value> {
    if version.is_before(45) {
        name_endpoints_by_id(&mut container);
    }
    if version.is_before(48) {
        container.image_manifest_descriptor = None;
    }
    let mut document = value(&container)?;
    if version.is_before(52) {
        let bridge = container.network_settings.networks.get(DEFAULT_NETWORK);
        if let Value::Object(extra) = value(&legacy_settings(bridge))? {
            merge(&mut document, "NetworkSettings", extra);
        }
        if let Value::Object(config) = &mut document["Config"] {
            config.entry("OnBuild").or_insert(Value::Null);
        }
    }
    Ok(document)
}

/// Clients below 1.45 find the short id and the host name among the aliases.
fn name_endpoints_by_id(container: &mut ContainerInspect) {
    let short: String = container.id.chars().take(12).collect();
    let is_user_defined =
        |name: &str| !matches!(name, "bridge" | "host" | "none" | "default") && !name.contains(':');
    let networks = &mut container.network_settings.networks;
    for (_, endpoint) in networks.iter_mut().filter(|(name, _)| is_user_defined(name)) {
        let aliases = endpoint.aliases.get_or_insert_default();
        for alias in [&short, &container.config.hostname] {
            if !aliases.contains(alias) {
                aliases.push(alias.clone());
            }
        }
    }
}

fn legacy_settings(bridge: Option<&EndpointSettings>) -> LegacyNetworkSettings {
    let bridge = bridge.cloned().unwrap_or_default();
    LegacyNetworkSettings {
        endpoint_id: bridge.endpoint_id,
        gateway: bridge.gateway,
        global_ipv6_address: bridge.global_ipv6_address,
        global_ipv6_prefix_len: bridge.global_ipv6_prefix_len,
        ip_address: bridge.ip_address,
        ip_prefix_len: bridge.ip_prefix_len,
        ipv6_gateway: bridge.ipv6_gateway,
        mac_address: bridge.mac_address,
        ..LegacyNetworkSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> ContainerCreateRequest {
        engine_api::from_slice(json.as_bytes()).unwrap()
    }

    #[test]
    fn the_default_network_is_named_bridge() {
        let mut request =
            request(r#"{"NetworkingConfig":{"EndpointsConfig":{"default":{"Aliases":["a"]}}}}"#);
        lift_create(&mut request, ApiVersion::NEWEST).unwrap();
        assert_eq!(request.host_config.unwrap().network_mode, "bridge");
        assert!(
            request.networking_config.unwrap().endpoints_config.unwrap().contains_key("bridge")
        );
    }

    #[test]
    fn a_container_wide_mac_address_moves_to_the_endpoint_or_is_refused() {
        let json = r#"{"MacAddress":"02:42:00:00:00:02"}"#;
        let mut old = request(json);
        assert_eq!(lift_create(&mut old, ApiVersion::new(1, 51)).unwrap().len(), 1);
        let endpoints = old.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(endpoints["bridge"].mac_address, "02:42:00:00:00:02");
        assert!(lift_create(&mut request(json), ApiVersion::new(1, 52)).is_err());
    }

    #[test]
    fn mounts_of_older_clients_are_lifted_and_foreign_options_refused() {
        let json = r#"{"HostConfig":{"Mounts":[{"Type":"bind","ReadOnly":true,"TmpfsOptions":{"SizeBytes":1}}]}}"#;
        let mut old = request(json);
        lift_create(&mut old, ApiVersion::new(1, 41)).unwrap();
        let mount = &old.host_config.unwrap().mounts[0];
        assert_eq!(mount.tmpfs_options, None);
        assert!(mount.bind_options.as_ref().unwrap().read_only_non_recursive);
        let error = lift_create(&mut request(json), ApiVersion::NEWEST).unwrap_err();
        assert_eq!(error.message, "TmpfsOptions must not be specified on mount type \"bind\"");
    }

    #[test]
    fn a_port_that_is_none_is_refused_as_by_dockers_decoder() {
        let message = |port: &str| {
            let json = format!(r#"{{"HostConfig":{{"PortBindings":{{"{port}":[{{}}]}}}}}}"#);
            lift_create(&mut request(&json), ApiVersion::NEWEST).err().map(|e| e.message)
        };
        assert_eq!(message("80/tcp"), None);
        assert_eq!(
            message("19039;1230").unwrap(),
            "invalid JSON: invalid port '19039;1230': invalid syntax"
        );
        assert_eq!(
            message("65536/udp").unwrap(),
            "invalid JSON: invalid port '65536': value out of range"
        );
    }

    #[test]
    fn several_networks_need_1_44() {
        let json = r#"{"NetworkingConfig":{"EndpointsConfig":{"a":{},"b":null}}}"#;
        assert!(lift_create(&mut request(json), ApiVersion::new(1, 43)).is_err());
        assert!(lift_create(&mut request(json), ApiVersion::new(1, 44)).is_ok());
    }

    #[test]
    fn ports_without_bindings_get_an_ephemeral_one() {
        let mut request =
            request(r#"{"HostConfig":{"PortBindings":{"80/tcp":null},"PidsLimit":-1}}"#);
        let warnings = lift_create(&mut request, ApiVersion::NEWEST).unwrap();
        assert_eq!(warnings.len(), 1);
        let host = request.host_config.unwrap();
        assert_eq!(host.port_bindings.unwrap()["80/tcp"], Some(vec![PortBinding::default()]));
        assert_eq!(host.resources.pids_limit, None);
    }

    #[test]
    fn old_clients_find_the_bridges_address_on_the_top_level() {
        let mut container = ContainerInspect::default();
        let endpoint =
            EndpointSettings { ip_address: "172.17.0.2".to_owned(), ..Default::default() };
        container.network_settings.networks.insert("bridge".to_owned(), endpoint);
        let old = lower_inspect(container.clone(), ApiVersion::new(1, 51)).unwrap();
        assert_eq!(old["NetworkSettings"]["IPAddress"], "172.17.0.2");
        assert_eq!(old["NetworkSettings"]["SecondaryIPAddresses"], Value::Null);
        let new = lower_inspect(container, ApiVersion::new(1, 52)).unwrap();
        assert_eq!(new["NetworkSettings"].get("IPAddress"), None);
    }
}
