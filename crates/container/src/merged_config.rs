//! What a container runs with: the caller's configuration completed from the image's.

use engine_api::{Set, container::ContainerConfig, health::HealthConfig, host_config::HostConfig};
use image::Image;
use types::ContainerId;

use crate::{ContainerError, health, mount_request};

/// The caller's configuration over the image's, by the rules of Docker's `merge`.
pub(crate) fn merged_config(
    mut config: ContainerConfig,
    image: &Image,
    id: &ContainerId,
    host: &HostConfig,
) -> Result<ContainerConfig, ContainerError> {
    let defaults = image.config.config.clone().unwrap_or_default();
    if config.user.is_empty() {
        config.user = defaults.user.unwrap_or_default();
    }
    for port in defaults.exposed_ports.unwrap_or_default().into_keys() {
        config.exposed_ports.entry(port).or_default();
    }
    let own = config.env.get_or_insert_default();
    for entry in defaults.env.unwrap_or_default() {
        let name = entry.split('=').next().unwrap_or_default().to_owned();
        if !own.iter().any(|e| e.split('=').next() == Some(name.as_str())) {
            own.push(entry);
        }
    }
    for (key, value) in defaults.labels.unwrap_or_default() {
        config.labels.entry(key).or_insert(value);
    }
    // An entrypoint of the caller's makes the image's command meaningless.
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd = defaults.cmd;
        }
        if config.entrypoint.is_none() {
            config.entrypoint = defaults.entrypoint;
        }
    }
    // `--entrypoint ""` sends one empty string to say: none.
    if config.entrypoint.as_deref() == Some(&[String::new()]) {
        config.entrypoint = None;
    }
    if config.working_dir.is_empty() {
        config.working_dir = defaults.working_dir.unwrap_or_default();
    }
    if !config.working_dir.is_empty() {
        if !config.working_dir.starts_with('/') {
            return Err(ContainerError::Invalid(format!(
                "the working directory '{}' is invalid, it needs to be an absolute path",
                config.working_dir
            )));
        }
        config.working_dir = mount_request::clean(&config.working_dir)?;
    }
    if config.stop_signal.is_empty() {
        config.stop_signal = defaults.stop_signal.unwrap_or_default();
    }
    crate::signal::parse_or_default(&config.stop_signal)?;
    config.healthcheck = health::merge(config.healthcheck, image_health(defaults.healthcheck)?);
    let volumes = config.volumes.get_or_insert_default();
    for path in defaults.volumes.unwrap_or_default().into_keys() {
        volumes.entry(path).or_default();
    }
    if config.volumes.as_ref().is_some_and(Set::is_empty) {
        config.volumes = None;
    }
    if config.hostname.is_empty() {
        config.hostname = default_hostname(id, host);
    }
    check_env(config.env.as_deref().unwrap_or_default())?;
    Ok(config)
}

/// The image's health check. One that cannot be read is the image's mistake, which is told.
fn image_health(
    document: Option<serde_json::Value>,
) -> Result<Option<HealthConfig>, ContainerError> {
    document
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| ContainerError::Invalid(format!("the image's health check: {error}")))
}

fn default_hostname(id: &ContainerId, host: &HostConfig) -> String {
    if host.uts_mode == "host" || host.network_mode == "host" {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        return name;
    }
    id.short().to_owned()
}

fn check_env(env: &[String]) -> Result<(), ContainerError> {
    for entry in env {
        if entry.is_empty() || entry.starts_with('=') {
            return Err(ContainerError::Invalid(format!("invalid environment variable: {entry}")));
        }
    }
    Ok(())
}

/// Entrypoint, then command; both may be there and empty, which fails at the start.
pub(crate) fn command(config: &ContainerConfig) -> Result<Vec<String>, ContainerError> {
    let parts = [config.entrypoint.as_deref(), config.cmd.as_deref()];
    let command: Vec<String> = parts.into_iter().flatten().flat_map(<[String]>::to_vec).collect();
    if command.is_empty() {
        return Err(ContainerError::Invalid("no command specified".into()));
    }
    Ok(command)
}
