//! The filters of `GET /containers/json`.

use ::container::{Container, Containers, NetworkMode, clock, record::MountSource, state::Phase};
use ::image::Images;
use regex_lite::Regex;
use types::{ContainerId, Digest};

use crate::{Answer, ApiError, Filters, Timestamp, backend::container::ListContainers};

const KNOWN: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const STATUSES: &[&str] =
    &["created", "running", "paused", "restarting", "removing", "exited", "dead"];

const HEALTHS: &[&str] = &["none", "starting", "healthy", "unhealthy"];

/// What a list is to hold.
pub(super) struct Wanted<'a> {
    filters: &'a Filters,
    running_only: bool,
    pub(super) limit: Option<usize>,
    ancestors: Option<Vec<Digest>>,
    exit_codes: Vec<i32>,
    before_nanos: Option<i64>,
    since_nanos: Option<i64>,
    names: Vec<Regex>,
}

impl<'a> Wanted<'a> {
    pub(super) fn parse(
        options: &'a ListContainers,
        containers: &Containers,
        images: &Images,
    ) -> Answer<Self> {
        let filters = &options.filters;
        filters.allow_only(KNOWN)?;
        for status in filters.get("status") {
            if !STATUSES.contains(&status.as_str()) {
                return Err(ApiError::invalid(format!("invalid filter 'status={status}'")));
            }
        }
        for health in filters.get("health") {
            if !HEALTHS.contains(&health.as_str()) {
                return Err(ApiError::invalid(format!(
                    "invalid filter 'health={health}': invalid value for health ({health}): must be one of {}",
                    HEALTHS.join(", ")
                )));
            }
        }
        let exit_codes = filters.get("exited").iter().map(|code| {
            code.parse::<i32>()
                .map_err(|_| ApiError::invalid(format!("invalid filter 'exited={code}'")))
        });
        let created = |name: &str| -> Answer<Option<i64>> {
            let Some(reference) = filters.get(name).last() else { return Ok(None) };
            Ok(Some(containers.find(reference)?.record().created_nanos))
        };
        let implies_all =
            ["status", "exited", "before", "since"].iter().any(|n| filters.contains(n));
        Ok(Self {
            running_only: !options.all && options.limit.is_none() && !implies_all,
            limit: options.limit.filter(|limit| *limit > 0),
            ancestors: ancestors(filters, images),
            exit_codes: exit_codes.collect::<Result<_, _>>()?,
            before_nanos: created("before")?,
            since_nanos: created("since")?,
            names: name_patterns(filters)?,
            filters,
        })
    }

    pub(super) fn admits(&self, container: &Container) -> bool {
        let (record, state) = (container.record(), container.state());
        let phase = state.phase;
        if self.running_only && !matches!(phase, Phase::Running | Phase::Paused | Phase::Restarting)
        {
            return false;
        }
        let is_exited = self.exit_codes.is_empty()
            || (phase == Phase::Exited && self.exit_codes.contains(&state.exit_code));
        is_exited
            && self.filters.admits("status", phase.as_str())
            && self.filters.admits_labels("label", &record.config.labels)
            && self.ancestors.as_ref().is_none_or(|ids| ids.contains(&record.image))
            && self.before_nanos.is_none_or(|at| record.created_nanos < at)
            && self.since_nanos.is_none_or(|at| record.created_nanos > at)
            && self.admits_id(&container.id)
            && self.admits_name(record.name.as_str())
            && self.admits_volume(&record)
            && self.admits_network(&record)
            && self.admits_ports(&record)
            && self.filters.admits(
                "health",
                state.health.as_ref().map_or("none", |health| health.status.as_str()),
            )
            && self.filters.admits("is-task", "false")
    }

    fn admits_id(&self, id: &ContainerId) -> bool {
        let wanted = self.filters.get("id");
        wanted.is_empty() || wanted.iter().any(|prefix| id.as_str().starts_with(prefix.as_str()))
    }

    fn admits_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|pattern| matches_name(pattern, name))
    }

    fn admits_volume(&self, record: &::container::record::Record) -> bool {
        let wanted = self.filters.get("volume");
        wanted.is_empty()
            || record.mounts.iter().any(|plan| {
                let source = match &plan.source {
                    MountSource::Volume { name, .. } => name.clone(),
                    MountSource::Bind { path, .. } => path.to_string_lossy().into_owned(),
                    MountSource::Tmpfs { .. } => String::new(),
                };
                wanted.iter().any(|want| *want == source || *want == plan.destination)
            })
    }

    fn admits_network(&self, record: &::container::record::Record) -> bool {
        let wanted = self.filters.get("network");
        if wanted.is_empty() {
            return true;
        }
        match NetworkMode::parse(&record.host_config.network_mode) {
            NetworkMode::Named(name) => wanted.contains(&name),
            NetworkMode::Host => wanted.iter().any(|want| want == "host"),
            NetworkMode::None => wanted.iter().any(|want| want == "none"),
            NetworkMode::Container(_) => false,
        }
    }

    fn admits_ports(&self, record: &::container::record::Record) -> bool {
        let full = |spec: &str| {
            if spec.contains('/') { spec.to_owned() } else { format!("{spec}/tcp") }
        };
        let has = |filter: &str, specs: Vec<String>| {
            let wanted = self.filters.get(filter);
            wanted.is_empty() || wanted.iter().any(|want| specs.contains(&full(want)))
        };
        let published = record.host_config.port_bindings.iter().flatten();
        has("expose", record.config.exposed_ports.keys().map(|spec| full(spec)).collect())
            && has("publish", published.map(|(spec, _)| full(spec)).collect())
    }
}

/// The ids of images that are, or are built on, one of the named ones.
fn ancestors(filters: &Filters, images: &Images) -> Option<Vec<Digest>> {
    if !filters.contains("ancestor") {
        return None;
    }
    let named = filters.get("ancestor").iter();
    // A name that means no image admits nothing, which is no error.
    let found: Vec<_> = named.filter_map(|name| images.resolve(name).ok()).collect();
    let all = images.list(&::image::ImageFilters::default()).unwrap_or_default();
    let is_based_on = |image: &::image::Image| {
        found.iter().any(|base| image.diff_ids.starts_with(&base.diff_ids))
    };
    Some(all.iter().filter(|image| is_based_on(image)).map(|image| image.id.clone()).collect())
}

/// Docker's name filter is a regular expression, tried on the name with and without its slash.
fn name_patterns(filters: &Filters) -> Answer<Vec<Regex>> {
    let compile = |pattern: &String| {
        Regex::new(pattern)
            .map_err(|_| ApiError::invalid(format!("invalid filter 'name={pattern}'")))
    };
    filters.get("name").iter().map(compile).collect()
}

fn matches_name(pattern: &Regex, name: &str) -> bool {
    pattern.is_match(name) || pattern.is_match(&format!("/{name}"))
}

/// The `until` filter: a timestamp or an age (`24h`), as nanoseconds since the Unix epoch.
pub(super) fn until(filters: &Filters) -> Answer<Option<i64>> {
    let Some(text) = filters.get("until").last() else { return Ok(None) };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Some(super::container::nanos(at)));
    }
    if let Some(at) = clock::parse_rfc3339(text) {
        return Ok(Some(at));
    }
    let age = go_duration(text)
        .ok_or_else(|| ApiError::invalid(format!("invalid value for \"until\": {text}")))?;
    Ok(Some(clock::now_nanos() - age))
}

/// Go's `1h30m`, in nanoseconds.
fn go_duration(text: &str) -> Option<i64> {
    let mut total = 0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..split].parse().ok()?;
        let tail = &rest[split..];
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let unit = match &tail[..end] {
            "h" => 3.6e12,
            "m" => 6e10,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        total += number * unit;
        rest = &tail[end..];
    }
    (!text.is_empty()).then_some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let matches = |pattern: &str, name: &str| {
            let filters = Filters::parse(&format!(r#"{{"name":["{pattern}"]}}"#)).unwrap();
            matches_name(&name_patterns(&filters).unwrap()[0], name)
        };
        assert!(matches("we", "web"));
        assert!(matches("^/web$", "web"));
        assert!(matches("^web$", "web"));
        assert!(matches("^/?w", "web"));
        assert!(matches("w.b|x", "web"));
        assert!(!matches("^/we$", "web"));
        assert!(!matches("^eb", "web"));
        let filters = Filters::parse(r#"{"name":["("]}"#).unwrap();
        assert!(name_patterns(&filters).is_err());
    }

    #[test]
    fn ages() {
        assert_eq!(go_duration("1h30m"), Some(5_400_000_000_000));
        assert_eq!(go_duration("1.5s"), Some(1_500_000_000));
        assert_eq!(go_duration("x"), None);
        assert_eq!(go_duration(""), None);
    }
}
