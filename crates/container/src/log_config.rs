//! `LogConfig`: which driver, with which limits.

use std::{collections::BTreeMap, path::PathBuf};

use engine_api::host_config::LogConfig;
use shim_protocol::LogTarget;

use crate::{ContainerError, record::Record};

/// Where a log ends when nothing else was asked for: Docker keeps everything for ever, which fills
/// disks; five files of 20 MB are kept here.
const DEFAULT_MAX_SIZE_BYTES: u64 = 20_000_000;
const DEFAULT_MAX_FILES: u32 = 5;

/// A checked log configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfigPlan {
    kind: Kind,
    max_size_bytes: Option<u64>,
    max_files: u32,
    labels: Vec<String>,
    env: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    JsonFile,
    None,
}

impl LogConfigPlan {
    /// Checks driver and options.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] names an unknown driver or option, [`ContainerError::NotBuilt`]
    /// a known driver that Gantry does not have yet.
    pub fn parse(config: &LogConfig) -> Result<Self, ContainerError> {
        let kind = match config.kind.as_str() {
            "" | "json-file" => Kind::JsonFile,
            "none" => Kind::None,
            "local" | "syslog" | "journald" | "fluentd" | "gelf" | "awslogs" | "splunk"
            | "gcplogs" => {
                return Err(ContainerError::NotBuilt(format!(
                    "logging driver {} is not built yet: use json-file or none",
                    config.kind
                )));
            }
            other => {
                return Err(ContainerError::Invalid(format!(
                    "logger: no log driver named '{other}' is registered"
                )));
            }
        };
        let mut plan = Self {
            kind,
            max_size_bytes: Some(DEFAULT_MAX_SIZE_BYTES),
            max_files: DEFAULT_MAX_FILES,
            labels: Vec::new(),
            env: Vec::new(),
        };
        for (name, value) in config.config.iter().flatten() {
            plan.take(name, value, &config.kind)?;
        }
        Ok(plan)
    }

    fn take(&mut self, name: &str, value: &str, driver: &str) -> Result<(), ContainerError> {
        let invalid = |why: &str| {
            ContainerError::Invalid(format!("invalid value for log opt \"{name}\": {why}"))
        };
        let names = || value.split(',').map(str::trim).map(str::to_owned).collect();
        match name {
            "max-size" => self.max_size_bytes = parse_size(value).map_err(|()| invalid(value))?,
            "max-file" => {
                self.max_files =
                    value.parse().ok().filter(|n| *n >= 1).ok_or_else(|| invalid(value))?;
            }
            "labels" => self.labels = names(),
            "env" => self.env = names(),
            // Kept for the drivers that use them; json-file reads no tag and writes in one go.
            "tag" | "compress" | "mode" | "max-buffer-size" | "labels-regex" | "env-regex" => {}
            other => {
                return Err(ContainerError::Invalid(format!(
                    "unknown log opt '{other}' for {driver} log driver"
                )));
            }
        }
        Ok(())
    }

    /// The target for the shim; `dir` is the container's directory.
    #[must_use]
    pub fn target(&self, record: &Record, dir: &std::path::Path) -> LogTarget {
        match self.kind {
            Kind::None => LogTarget::None,
            Kind::JsonFile => LogTarget::JsonFile {
                path: log_path(record, dir),
                max_size_bytes: self.max_size_bytes,
                max_files: self.max_files,
                attrs: self.attributes(record),
            },
        }
    }

    /// Whether there is anything to read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.kind == Kind::JsonFile
    }

    fn attributes(&self, record: &Record) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        for name in &self.labels {
            if let Some(value) = record.config.labels.get(name) {
                attributes.insert(name.clone(), value.clone());
            }
        }
        for entry in record.config.env.iter().flatten() {
            if let Some((name, value)) = entry.split_once('=')
                && self.env.iter().any(|wanted| wanted == name)
            {
                attributes.insert(name.to_owned(), value.to_owned());
            }
        }
        attributes
    }
}

/// `DIR/ID-json.log`, as Docker names it.
#[must_use]
pub fn log_path(record: &Record, dir: &std::path::Path) -> PathBuf {
    dir.join(format!("{}-json.log", record.id))
}

/// `10m`, `1g`, `500k`, `1024`, `-1` for no limit.
fn parse_size(text: &str) -> Result<Option<u64>, ()> {
    if text == "-1" {
        return Ok(None);
    }
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, factor) = match bare.chars().last() {
        Some('k') => (&bare[..bare.len() - 1], 1u64 << 10),
        Some('m') => (&bare[..bare.len() - 1], 1 << 20),
        Some('g') => (&bare[..bare.len() - 1], 1 << 30),
        _ => (bare, 1),
    };
    let number: u64 = digits.parse().map_err(|_| ())?;
    number.checked_mul(factor).filter(|n| *n > 0).map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: &str, options: &[(&str, &str)]) -> LogConfig {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        LogConfig { kind: kind.into(), config: Some(options.collect()) }
    }

    #[test]
    fn options() {
        let plan = LogConfigPlan::parse(&config("json-file", &[("max-size", "10m")])).unwrap();
        assert_eq!(plan.max_size_bytes, Some(10 << 20));
        assert!(LogConfigPlan::parse(&config("json-file", &[("max-size", "x")])).is_err());
        assert!(LogConfigPlan::parse(&config("json-file", &[("nosuch", "x")])).is_err());
        assert!(LogConfigPlan::parse(&config("nosuch", &[])).is_err());
        assert!(!LogConfigPlan::parse(&config("none", &[])).unwrap().is_readable());
    }
}
