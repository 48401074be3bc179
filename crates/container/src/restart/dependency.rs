//! What a container needs to be there before it starts: containers whose namespaces or volumes it
//! shares, its links, and what Compose notes in labels.

use crate::{network_mode::NetworkMode, record::Record};

/// `SERVICE:CONDITION:RESTART`, separated by commas.
const COMPOSE_DEPENDS_ON: &str = "com.docker.compose.depends_on";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";

/// In which state another container is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It runs.
    Running,
    /// It runs, and its health checks say that it works.
    Healthy,
    /// It has ended without an error.
    Completed,
}

/// How another container is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By id or name.
    Container(String),
    /// As a service of a Compose project: every container that is one.
    Service {
        /// The project.
        project: String,
        /// The service.
        service: String,
    },
}

/// One need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Which container.
    pub on: Reference,
    /// In which state.
    pub condition: Condition,
}

impl Dependency {
    /// Everything that a container needs.
    #[must_use]
    pub fn all(record: &Record) -> Vec<Self> {
        let host = &record.host_config;
        let joined = [&host.pid_mode, &host.ipc_mode]
            .into_iter()
            .filter_map(|mode| mode.strip_prefix("container:").map(str::to_owned));
        let network = match NetworkMode::parse(&host.network_mode) {
            NetworkMode::Container(other) => Some(other),
            _ => None,
        };
        let before_colon = |spec: &String| spec.split(':').next().unwrap_or_default().to_owned();
        let volumes = host.volumes_from.iter().flatten().map(before_colon);
        let links = host.links.iter().flatten().map(before_colon);
        let shared = joined
            .chain(network)
            .chain(volumes)
            .chain(links)
            .map(|name| Self { on: Reference::Container(name), condition: Condition::Running });
        shared.chain(of_compose(record)).collect()
    }

    /// Whether `other` is meant.
    #[must_use]
    pub fn is_on(&self, other: &Record) -> bool {
        match &self.on {
            Reference::Container(name) => {
                other.id.as_str() == name || other.name.as_str() == name.trim_start_matches('/')
            }
            Reference::Service { project, service } => {
                let label = |name: &str| other.config.labels.get(name);
                label(COMPOSE_PROJECT) == Some(project) && label(COMPOSE_SERVICE) == Some(service)
            }
        }
    }
}

fn of_compose(record: &Record) -> Vec<Dependency> {
    let labels = &record.config.labels;
    let (Some(project), Some(list)) = (labels.get(COMPOSE_PROJECT), labels.get(COMPOSE_DEPENDS_ON))
    else {
        return Vec::new();
    };
    let parse = |item: &str| {
        let mut parts = item.trim().split(':');
        let service = parts.next().filter(|service| !service.is_empty())?.to_owned();
        let condition = match parts.next().unwrap_or_default() {
            "service_healthy" => Condition::Healthy,
            "service_completed_successfully" => Condition::Completed,
            _ => Condition::Running,
        };
        let on = Reference::Service { project: project.clone(), service };
        Some(Dependency { on, condition })
    };
    list.split(',').filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(labels: &[(&str, &str)]) -> Record {
        let mut record = crate::record::tests::record("c1");
        for (name, value) in labels {
            record.config.labels.insert((*name).to_owned(), (*value).to_owned());
        }
        record
    }

    #[test]
    fn shared_namespaces_volumes_and_links() {
        let mut own = record(&[]);
        own.host_config.network_mode = "container:net".to_owned();
        own.host_config.pid_mode = "container:pid".to_owned();
        own.host_config.ipc_mode = "host".to_owned();
        own.host_config.volumes_from = Some(vec!["data:ro".to_owned()]);
        own.host_config.links = Some(vec!["/db:alias".to_owned()]);
        let all = Dependency::all(&own);
        let is_needed = |name: &str| {
            let mut other = crate::record::tests::record(name);
            other.config.labels.clear();
            all.iter().any(|dependency| dependency.is_on(&other))
        };
        for name in ["net", "pid", "data", "db"] {
            assert!(is_needed(name), "{name}");
        }
        assert!(!is_needed("alias"));
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn what_compose_notes() {
        let own = record(&[
            (COMPOSE_PROJECT, "p"),
            (
                COMPOSE_DEPENDS_ON,
                "db:service_healthy:true,cache:service_started:false, job:service_completed_successfully:false",
            ),
        ]);
        let all = Dependency::all(&own);
        let conditions: Vec<_> = all.iter().map(|d| d.condition).collect();
        assert_eq!(conditions, [Condition::Healthy, Condition::Running, Condition::Completed]);
        let db = record(&[(COMPOSE_PROJECT, "p"), (COMPOSE_SERVICE, "db")]);
        let other = record(&[(COMPOSE_PROJECT, "q"), (COMPOSE_SERVICE, "db")]);
        assert!(all[0].is_on(&db) && !all[0].is_on(&other) && !all[1].is_on(&db));
        assert!(Dependency::all(&record(&[(COMPOSE_DEPENDS_ON, "db")])).is_empty());
    }
}
