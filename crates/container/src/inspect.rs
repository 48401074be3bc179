//! What `inspect` and `ps` say of a container.

use std::collections::{BTreeMap, HashMap};

use engine_api::{
    container::{
        ContainerInspect, ContainerState, ContainerSummary, HostConfigSummary,
        NetworkSettingsSummary,
    },
    health::{HealthSummary, HealthcheckResult},
    host_config::HostConfig,
    image::GraphDriver,
    mount::MountPoint,
    network::{EndpointSettings, NetworkSettings},
    port::{PortBinding, PortMap, PortSummary},
};
use network::Endpoint;
use types::{Digest, RootFilesystem};

use crate::{
    ContainerError, Containers,
    clock::{now_nanos, rfc3339, rfc3339_or_zero},
    container::Container,
    containers::snapshot_key,
    health::{Health, ProbeResult, Status},
    human,
    link::LinkNames,
    log_config::LogConfigPlan,
    mount_request,
    network_mode::NetworkMode,
    port_request::port_and_protocol,
    record::{MountPlan, MountSource, Record},
    state::{Phase, State},
};

/// Sizes of a container, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Its writable layer.
    pub writable_bytes: u64,
    /// Its writable layer and its image.
    pub root_bytes: u64,
}

/// What image names mean and which links there are, looked up once for a whole list.
#[derive(Debug, Default)]
pub struct ListNames {
    images: HashMap<String, Option<Digest>>,
    links: Option<LinkNames>,
}

impl Containers {
    /// Everything that `GET /containers/{id}/json` says, without sizes.
    ///
    /// # Errors
    /// Those of the store.
    pub fn inspect(&self, container: &Container) -> Result<ContainerInspect, ContainerError> {
        let (record, state, endpoint, exec_ids) = {
            let live = container.live();
            let running = live.execs.values().filter(|exec| exec.state().exit_code.is_none());
            let exec_ids: Vec<String> = running.map(|exec| exec.id.to_string()).collect();
            (live.record.clone(), live.state.clone(), live.endpoint.clone(), exec_ids)
        };
        let dir = self.data_dir(&record.id);
        let file = |name: &str| match state.started_at_nanos.is_some() {
            true => dir.join(name).to_string_lossy().into_owned(),
            false => String::new(),
        };
        let log_path = LogConfigPlan::parse(&record.host_config.log_config)
            .ok()
            .and_then(|plan| plan.public_path(&record, &dir));
        let (path, args) = record.command.split_first().map_or_else(
            || (String::new(), Vec::new()),
            |(first, rest)| (first.clone(), rest.to_vec()),
        );
        Ok(ContainerInspect {
            id: record.id.to_string(),
            created: rfc3339(record.created_nanos),
            path,
            args,
            state: api_state(&state),
            image: record.image.to_string(),
            resolv_conf_path: file("resolv.conf"),
            hostname_path: file("hostname"),
            hosts_path: file("hosts"),
            log_path: log_path.map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
            name: format!("/{}", record.name),
            restart_count: i64::from(state.restart_count),
            driver: "overlay2".to_owned(),
            platform: record.platform.clone(),
            exec_ids: Some(exec_ids).filter(|ids| !ids.is_empty()),
            host_config: HostConfig {
                links: self.link_texts(&record),
                ..record.host_config.clone()
            },
            graph_driver: Some(self.graph_driver(&record)?),
            mounts: mount_points(&record),
            config: record.config.clone(),
            network_settings: self.network_settings(&record, endpoint.as_ref(), &state),
            ..ContainerInspect::default()
        })
    }

    /// The container's sizes; walks its writable layer.
    ///
    /// # Errors
    /// Those of the store.
    pub fn sizes(&self, container: &Container) -> Result<Sizes, ContainerError> {
        let record = container.record();
        let snapshots = &self.inner.services.snapshots;
        let writable_bytes = snapshots.usage(&snapshot_key(&record.id))?.size_bytes;
        let mut root_bytes = writable_bytes;
        for layer in &record.layers {
            root_bytes += snapshots.layer_size(layer)?;
        }
        Ok(Sizes { writable_bytes, root_bytes })
    }

    fn graph_driver(&self, record: &Record) -> Result<GraphDriver, ContainerError> {
        let rootfs = self.inner.services.snapshots.rootfs(&snapshot_key(&record.id))?;
        let mut data = BTreeMap::from([("ID".to_owned(), record.id.to_string())]);
        if let RootFilesystem::Overlay { lower, upper, work, .. } = rootfs {
            let lower: Vec<_> =
                lower.iter().map(|dir| dir.to_string_lossy().into_owned()).collect();
            data.insert("LowerDir".to_owned(), lower.join(":"));
            for (key, dir) in [("UpperDir", upper), ("WorkDir", work)] {
                if let Some(dir) = dir {
                    data.insert(key.to_owned(), dir.to_string_lossy().into_owned());
                }
            }
        }
        Ok(GraphDriver { name: "overlay2".to_owned(), data: Some(data) })
    }

    fn network_settings(
        &self,
        record: &Record,
        endpoint: Option<&Endpoint>,
        state: &State,
    ) -> NetworkSettings {
        let sandbox_key = match state.pid {
            0 => String::new(),
            pid => format!("/proc/{pid}/ns/net"),
        };
        NetworkSettings {
            sandbox_id: if state.pid == 0 { String::new() } else { record.id.to_string() },
            sandbox_key,
            ports: endpoint.map(|endpoint| port_map(record, endpoint)).unwrap_or_default(),
            networks: networks(record, endpoint),
        }
    }

    /// One line of `ps`.
    #[must_use]
    pub fn summary(&self, container: &Container, names: &mut ListNames) -> ContainerSummary {
        let (record, state, endpoint) = {
            let live = container.live();
            (live.record.clone(), live.state.clone(), live.endpoint.clone())
        };
        ContainerSummary {
            id: record.id.to_string(),
            names: self.names(&record, names),
            image: self.image_name(&record, names),
            image_id: record.image.to_string(),
            command: command_text(&record.command),
            created: record.created_nanos / 1_000_000_000,
            ports: port_summaries(&record, endpoint.as_ref()),
            labels: record.config.labels.clone(),
            state: state.phase.as_str().to_owned(),
            status: status_text(&state),
            host_config: HostConfigSummary {
                network_mode: record.host_config.network_mode.clone(),
                annotations: record.host_config.annotations.clone(),
            },
            network_settings: NetworkSettingsSummary {
                networks: networks(&record, endpoint.as_ref()),
            },
            mounts: mount_points(&record),
            health: Some(health_summary(&state)),
            ..ContainerSummary::default()
        }
    }

    /// The container's name, then those that links give it.
    fn names(&self, record: &Record, names: &mut ListNames) -> Vec<String> {
        let links = names.links.get_or_insert_with(|| self.link_names());
        let further = links.get(&record.id).into_iter().flatten();
        std::iter::once(record.name.as_str())
            .chain(further.map(String::as_str))
            .map(|name| format!("/{name}"))
            .collect()
    }

    /// The name by which the container was made, or its image's id once the name means another.
    fn image_name(&self, record: &Record, names: &mut ListNames) -> String {
        let images = &self.inner.services.images;
        let meant = names
            .images
            .entry(record.image_name.clone())
            .or_insert_with(|| images.resolve(&record.image_name).ok().map(|image| image.id));
        match meant {
            Some(id) if *id == record.image => record.image_name.clone(),
            _ => record.image.to_string(),
        }
    }
}

/// The API's state document.
#[must_use]
pub fn api_state(state: &State) -> ContainerState {
    ContainerState {
        status: state.phase.as_str().to_owned(),
        running: state.is_running() || state.phase == Phase::Restarting,
        paused: state.phase == Phase::Paused,
        restarting: state.phase == Phase::Restarting,
        oom_killed: state.oom_killed,
        dead: state.phase == Phase::Dead,
        pid: i64::from(state.pid),
        exit_code: i64::from(state.exit_code),
        error: state.error.clone(),
        started_at: rfc3339_or_zero(state.started_at_nanos),
        finished_at: rfc3339_or_zero(state.finished_at_nanos),
        restart_reason: state.restart_reason.clone(),
        health: state.health.as_deref().map(api_health),
    }
}

fn api_health(health: &Health) -> engine_api::health::Health {
    let result = |result: &ProbeResult| HealthcheckResult {
        start: rfc3339(result.start_nanos),
        end: rfc3339(result.end_nanos),
        exit_code: i64::from(result.exit_code),
        output: result.output.clone(),
    };
    engine_api::health::Health {
        status: health.status.as_str().to_owned(),
        failing_streak: i64::from(health.failing_streak),
        log: Some(health.log.iter().map(result).collect()),
    }
}

fn health_summary(state: &State) -> HealthSummary {
    let health = state.health.as_deref();
    HealthSummary {
        status: health.map_or("none", |health| health.status.as_str()).to_owned(),
        failing_streak: health.map_or(0, |health| i64::from(health.failing_streak)),
    }
}

/// `Up 5 minutes`, `Exited (0) 2 hours ago`, ...
#[must_use]
pub fn status_text(state: &State) -> String {
    let now = now_nanos();
    let ago = |at: Option<i64>| human::duration(now - at.unwrap_or(now));
    match state.phase {
        Phase::Created => "Created".to_owned(),
        Phase::Running => match &state.health {
            None => format!("Up {}", ago(state.started_at_nanos)),
            Some(health) => {
                let health = match health.status {
                    Status::Starting => "health: starting",
                    status => status.as_str(),
                };
                format!("Up {} ({health})", ago(state.started_at_nanos))
            }
        },
        Phase::Paused => format!("Up {} (Paused)", ago(state.started_at_nanos)),
        Phase::Restarting => {
            format!("Restarting ({}) {} ago", state.exit_code, ago(state.finished_at_nanos))
        }
        Phase::Removing => "Removal In Progress".to_owned(),
        Phase::Dead => "Dead".to_owned(),
        Phase::Exited if state.finished_at_nanos.is_none() => "Created".to_owned(),
        Phase::Exited => {
            format!("Exited ({}) {} ago", state.exit_code, ago(state.finished_at_nanos))
        }
    }
}

/// The command as one text; arguments with blanks are quoted as Docker does.
fn command_text(command: &[String]) -> String {
    let words = command.iter().enumerate().map(|(index, word)| {
        if index > 0 && word.contains(' ') { format!("'{word}'") } else { word.clone() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `Mounts`: all but those of `HostConfig.Tmpfs`, which Docker has there only.
fn mount_points(record: &Record) -> Vec<MountPoint> {
    let is_plain_tmpfs = |plan: &&MountPlan| {
        matches!(plan.source, MountSource::Tmpfs { .. })
            && record.host_config.tmpfs.keys().any(|target| {
                mount_request::clean(target).is_ok_and(|path| path == plan.destination)
            })
    };
    record.mounts.iter().filter(|plan| !is_plain_tmpfs(plan)).map(mount_point).collect()
}

/// One element of `Mounts`.
#[must_use]
pub fn mount_point(plan: &MountPlan) -> MountPoint {
    let mut point = MountPoint {
        kind: plan.source.kind().to_owned(),
        destination: plan.destination.clone(),
        mode: plan.mode.clone(),
        rw: !plan.is_read_only,
        ..MountPoint::default()
    };
    match &plan.source {
        MountSource::Bind { path, propagation, .. } => {
            point.source = path.to_string_lossy().into_owned();
            point.propagation =
                if propagation.is_empty() { "rprivate".to_owned() } else { propagation.clone() };
        }
        MountSource::Volume { name, path, .. } => {
            point.name.clone_from(name);
            point.source = path.to_string_lossy().into_owned();
            point.driver = "local".to_owned();
            if point.mode.is_empty() {
                point.mode = "z".to_owned();
            }
        }
        MountSource::Tmpfs { .. } => {}
    }
    point
}

fn networks(record: &Record, endpoint: Option<&Endpoint>) -> BTreeMap<String, EndpointSettings> {
    let name = match NetworkMode::parse(&record.host_config.network_mode) {
        NetworkMode::Named(name) => name,
        NetworkMode::Host => "host".to_owned(),
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Container(_) => return BTreeMap::new(),
    };
    let mut settings = record.endpoints.get(&name).cloned().unwrap_or_default();
    if let Some(endpoint) = endpoint {
        settings.network_id = endpoint.network.to_string();
        settings.endpoint_id = endpoint.endpoint_id.to_string();
        settings.gateway = endpoint.gateway.to_string();
        settings.ip_address = endpoint.ip.to_string();
        settings.ip_prefix_len = i64::from(endpoint.prefix_len);
        settings.mac_address = endpoint.mac.to_string();
    }
    BTreeMap::from([(name, settings)])
}

/// `Ports` of `inspect`: every exposed port, with its bindings where it is published.
fn port_map(record: &Record, endpoint: &Endpoint) -> PortMap {
    let mut map: PortMap =
        record.config.exposed_ports.keys().map(|spec| (full_spec(spec), None)).collect();
    for port in &endpoint.ports {
        let binding = PortBinding {
            host_ip: port.host_ip.to_string(),
            host_port: port.host_port.to_string(),
        };
        let spec = format!("{}/{}", port.container_port, port.protocol);
        map.entry(spec).or_default().get_or_insert_default().push(binding);
    }
    map
}

fn full_spec(spec: &str) -> String {
    if spec.contains('/') { spec.to_owned() } else { format!("{spec}/tcp") }
}

fn port_summaries(record: &Record, endpoint: Option<&Endpoint>) -> Vec<PortSummary> {
    let Some(endpoint) = endpoint else { return Vec::new() };
    let mut ports: Vec<PortSummary> = endpoint
        .ports
        .iter()
        .map(|port| PortSummary {
            ip: port.host_ip.to_string(),
            private_port: port.container_port,
            public_port: port.host_port,
            protocol: port.protocol.to_string(),
        })
        .collect();
    for spec in record.config.exposed_ports.keys() {
        let Ok((private_port, protocol)) = port_and_protocol(spec) else { continue };
        let protocol = protocol.to_string();
        if !ports.iter().any(|p| p.private_port == private_port && p.protocol == protocol) {
            ports.push(PortSummary { private_port, protocol, ..PortSummary::default() });
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted() {
        let words = ["sh", "-c", "echo hi"].map(str::to_owned);
        assert_eq!(command_text(&words), "sh -c 'echo hi'");
    }

    #[test]
    fn statuses() {
        let now = now_nanos();
        let running = State {
            phase: Phase::Running,
            started_at_nanos: Some(now - 90_000_000_000),
            ..State::default()
        };
        assert_eq!(status_text(&running), "Up About a minute");
        let checked = State { health: Some(Default::default()), ..running.clone() };
        assert_eq!(status_text(&checked), "Up About a minute (health: starting)");
        let ended = State {
            phase: Phase::Exited,
            exit_code: 3,
            finished_at_nanos: Some(now - 7_200_000_000_000),
            ..State::default()
        };
        assert_eq!(status_text(&ended), "Exited (3) 2 hours ago");
        assert_eq!(status_text(&State::default()), "Created");
    }
}
