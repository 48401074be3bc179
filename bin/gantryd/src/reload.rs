//! SIGHUP: reads the configuration file again and takes over what can change while it runs.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    config::{Config, Flags},
    log, notify,
};

/// Keys that a reload takes over; all others need a restart.
pub const RELOADABLE: [&str; 10] = [
    "debug",
    "log-level",
    "labels",
    "insecure-registries",
    "registry-mirrors",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "default-runtime",
    "runtimes",
    "shutdown-timeout",
];

/// Reloads at every SIGHUP; does not return.
pub async fn on_hangup(
    flags: &Flags,
    publish: &watch::Sender<Arc<Config>>,
    log: &log::Handle,
    tell: impl Fn(BTreeMap<String, String>),
) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGHUP: no reload is possible");
            return std::future::pending().await;
        }
    };
    while hangups.recv().await.is_some() {
        notify::reloading();
        match reload(flags, publish, log) {
            Ok(values) => tell(values),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the configuration was not reloaded");
            }
        }
        notify::ready();
    }
}

fn reload(
    flags: &Flags,
    publish: &watch::Sender<Arc<Config>>,
    log: &log::Handle,
) -> anyhow::Result<BTreeMap<String, String>> {
    let wanted = Config::load(flags)?;
    let current = Arc::clone(&publish.borrow());
    let change = Change::between(&current, &wanted)?;
    let next = change.apply(&current, &wanted)?;
    log.apply(&next)?;
    let values = values(&next)?;
    publish.send_replace(Arc::new(next));
    tracing::info!(changed = ?change.taken, "reloaded the configuration");
    if !change.left.is_empty() {
        tracing::warn!(keys = ?change.left, "these keys need a restart");
    }
    Ok(values)
}

/// What the reloadable keys say, for the event.
fn values(config: &Config) -> anyhow::Result<BTreeMap<String, String>> {
    let config = serde_json::to_value(config)?;
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let values =
        RELOADABLE.iter().filter_map(|key| Some(((*key).to_owned(), text(config.get(*key)?))));
    Ok(values.collect())
}

/// What differs between two configurations.
struct Change {
    taken: Vec<String>,
    left: Vec<String>,
}

impl Change {
    fn between(current: &Config, wanted: &Config) -> anyhow::Result<Self> {
        let (current, wanted) = (serde_json::to_value(current)?, serde_json::to_value(wanted)?);
        let differing = wanted
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| current.get(key.as_str()) != Some(*value))
            .map(|(key, _)| key.clone());
        let (taken, left) = differing.partition(|key| RELOADABLE.contains(&key.as_str()));
        Ok(Self { taken, left })
    }

    /// The current configuration with the reloadable keys of the wanted one.
    fn apply(&self, current: &Config, wanted: &Config) -> anyhow::Result<Config> {
        let mut next = serde_json::to_value(current)?;
        let mut wanted = serde_json::to_value(wanted)?;
        for key in &self.taken {
            next[key.as_str()] = wanted.get_mut(key).map_or(Value::Null, Value::take);
        }
        Ok(serde_json::from_value(next)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reloadable_keys_are_taken_over() {
        let current = Config::default();
        let mut wanted = Config { debug: true, mtu: 1400, ..Config::default() };
        wanted.labels.push("a=b".to_owned());
        let change = Change::between(&current, &wanted).unwrap();
        assert_eq!(change.taken, ["debug", "labels"]);
        assert_eq!(change.left, ["mtu"]);
        let next = change.apply(&current, &wanted).unwrap();
        assert!(next.debug);
        assert_eq!(next.labels, ["a=b"]);
        assert_eq!(next.mtu, current.mtu);
        let values = values(&next).unwrap();
        assert_eq!((values["debug"].as_str(), values["labels"].as_str()), ("true", "[\"a=b\"]"));
    }
}
