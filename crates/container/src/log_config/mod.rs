//! `LogConfig`: which driver, with which options.
//!
//! Drivers that write files are the supervisor's; those that send are `gantry-logger`'s, one
//! process per container, and have a copy of their messages in a file so that `logs` works for
//! them too (see docs/decisions/0007-log-drivers.md).

mod address;
mod file;
mod fluentd;
mod gelf;
mod go_text;
mod options;
mod subject;
mod syslog;
mod tag;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use container_log::{
    Format,
    sink::{Configuration, Delivery, Sink},
};
use engine_api::host_config::LogConfig;
use shim_protocol::{LogFile, LogSink, LogTarget};

use self::{
    file::FileOptions,
    go_text::{Unit, parse_size},
    options::Options,
};
use crate::{ContainerError, record::Record};

/// Drivers that `info` lists, as Docker does without `none`.
pub const DRIVERS: [&str; 6] = ["fluentd", "gelf", "journald", "json-file", "local", "syslog"];
const DEFAULT_BUFFER_BYTES: u64 = 1_000_000;
/// The tag of drivers that send, unless another was asked for.
const DEFAULT_TAG: &str = "{{.ID}}";

/// A checked log configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfigPlan {
    driver: Driver,
    options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Driver {
    None,
    JsonFile(FileOptions),
    Local(FileOptions),
    Sink { sink: Box<Sink>, delivery: Delivery, cache: Option<FileOptions> },
}

/// Where a container's log can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadableLog {
    /// The current file.
    pub path: PathBuf,
    /// How its records are written.
    pub format: Format,
}

/// What a plan is carried out with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogPlace<'a> {
    /// The container's directory.
    pub(crate) dir: &'a Path,
    /// `gantry-logger`.
    pub(crate) logger: &'a Path,
}

impl LogConfigPlan {
    /// Checks driver and options.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] in Docker's words, [`ContainerError::NotBuilt`] for a known
    /// driver that Gantry does not have.
    pub fn parse(config: &LogConfig) -> Result<Self, ContainerError> {
        let options = config.config.clone().unwrap_or_default();
        if matches!(config.kind.as_str(), "awslogs" | "splunk" | "gcplogs") {
            return Err(ContainerError::NotBuilt(format!(
                "logging driver {} is not built: use one of {}",
                config.kind,
                DRIVERS.join(", ")
            )));
        }
        let driver =
            parse_driver(&config.kind, Options(&options)).map_err(ContainerError::Invalid)?;
        Ok(Self { driver, options })
    }

    /// The target for the shim.
    pub(crate) fn target(
        &self,
        record: &Record,
        place: LogPlace<'_>,
    ) -> Result<LogTarget, ContainerError> {
        let file = |plan: &FileOptions, attrs: BTreeMap<String, String>| {
            self.readable(record, place.dir).map(|readable| LogFile {
                path: readable.path,
                max_size_bytes: plan.max_size_bytes,
                max_files: plan.max_files,
                attrs,
                compressor: plan.is_compressed.then(|| place.logger.to_owned()),
            })
        };
        let target = match &self.driver {
            Driver::None => None,
            Driver::JsonFile(plan) => {
                file(plan, self.file_attributes(record)?).map(LogTarget::JsonFile)
            }
            Driver::Local(plan) => {
                if let Some(dir) =
                    self.readable(record, place.dir).as_ref().and_then(|r| r.path.parent())
                {
                    crate::settings::make_dir(dir, 0o700)?;
                }
                file(plan, self.file_attributes(record)?).map(LogTarget::Local)
            }
            Driver::Sink { sink, delivery, cache } => {
                let attributes = self.file_attributes(record)?;
                Some(LogTarget::Sink(LogSink {
                    program: place.logger.to_owned(),
                    configuration: self.configuration(record, sink, *delivery)?,
                    is_blocking: *delivery == Delivery::Blocking,
                    cache: cache.as_ref().and_then(|plan| file(plan, attributes)),
                }))
            }
        };
        Ok(target.unwrap_or(LogTarget::None))
    }

    /// The file that `logs` reads, if there is one.
    #[must_use]
    pub fn readable(&self, record: &Record, dir: &Path) -> Option<ReadableLog> {
        let (path, format) = match &self.driver {
            Driver::JsonFile(_) => (dir.join(format!("{}-json.log", record.id)), Format::Json),
            Driver::Local(_) => (dir.join("local-logs/container.log"), Format::Local),
            Driver::Sink { cache: Some(_), .. } => {
                (dir.join("container-cached.log"), Format::Local)
            }
            Driver::Sink { cache: None, .. } | Driver::None => return None,
        };
        Some(ReadableLog { path, format })
    }

    /// The file that `inspect` names: as in Docker that of `json-file` only, whose format others
    /// may rely on.
    #[must_use]
    pub fn public_path(&self, record: &Record, dir: &Path) -> Option<PathBuf> {
        self.readable(record, dir).filter(|log| log.format == Format::Json).map(|log| log.path)
    }

    /// In files a tag is an attribute, and only there if it was asked for.
    fn file_attributes(&self, record: &Record) -> Result<BTreeMap<String, String>, ContainerError> {
        let options = Options(&self.options);
        let subject = subject::describe(record, options).map_err(ContainerError::Invalid)?;
        let mut attributes = subject.attributes.clone();
        if let Some(template) = options.get("tag") {
            let tag = tag::evaluate(template, &subject).map_err(ContainerError::Invalid)?;
            attributes.insert("tag".to_owned(), tag);
        }
        Ok(attributes)
    }

    fn configuration(
        &self,
        record: &Record,
        sink: &Sink,
        delivery: Delivery,
    ) -> Result<String, ContainerError> {
        let options = Options(&self.options);
        let mut subject = subject::describe(record, options).map_err(ContainerError::Invalid)?;
        let template = options.get("tag").unwrap_or(DEFAULT_TAG);
        subject.tag = tag::evaluate(template, &subject).map_err(ContainerError::Invalid)?;
        let configuration = Configuration { subject, sink: sink.clone(), delivery };
        serde_json::to_string(&configuration)
            .map_err(|source| ContainerError::Document { what: "a log configuration", source })
    }
}

/// Fills in the engine's defaults: all options for its own driver, those of the cache for any.
pub(crate) fn merge_defaults(asked: &mut LogConfig, engine: &LogConfig) {
    if asked.kind.is_empty() {
        asked.kind.clone_from(&engine.kind);
    }
    let is_same = asked.kind == engine.kind;
    for (name, value) in engine.config.iter().flatten() {
        if is_same || options::is_cache_option(name) {
            let options = asked.config.get_or_insert_default();
            options.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn parse_driver(kind: &str, options: Options<'_>) -> Result<Driver, String> {
    if kind == "none" {
        return Ok(Driver::None);
    }
    let delivery = parse_delivery(options)?;
    let cache = FileOptions::parse_cache(options)?;
    let sink = match kind {
        "" | "json-file" => {
            subject::check(options)?;
            return FileOptions::parse_json(options).map(Driver::JsonFile);
        }
        "local" => {
            subject::check(options)?;
            return FileOptions::parse_local(options).map(Driver::Local);
        }
        "syslog" => Sink::Syslog(syslog::parse(options)?),
        "journald" => match options.unknown_beside_common(&[]) {
            Some(name) => return Err(format!("unknown log opt '{name}' for journald log driver")),
            None => Sink::Journald,
        },
        "fluentd" => Sink::Fluentd(fluentd::parse(options)?),
        "gelf" => Sink::Gelf(gelf::parse(options)?),
        other => return Err(format!("logger: no log driver named '{other}' is registered")),
    };
    subject::check(options)?;
    Ok(Driver::Sink { sink: Box::new(sink), delivery, cache })
}

fn parse_delivery(options: Options<'_>) -> Result<Delivery, String> {
    let is_blocking = match options.get("mode") {
        None | Some("blocking") => true,
        Some("non-blocking") => false,
        Some(other) => return Err(format!("logger: logging mode not supported: {other}")),
    };
    let size = match options.get("max-buffer-size") {
        None => DEFAULT_BUFFER_BYTES,
        Some(_) if is_blocking => {
            return Err("logger: max-buffer-size option is only supported with \
                        'mode=non-blocking'"
                .to_owned());
        }
        Some(text) => parse_size(text, Unit::Binary)
            .map_err(|error| format!("error parsing option max-buffer-size: {error}"))?
            .cast_unsigned(),
    };
    Ok(if is_blocking {
        Delivery::Blocking
    } else {
        Delivery::NonBlocking { max_buffer_bytes: size }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(kind: &str, options: &[(&str, &str)]) -> LogConfig {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        LogConfig { kind: kind.into(), config: Some(options.collect()) }
    }

    fn refusal(kind: &str, options: &[(&str, &str)]) -> String {
        LogConfigPlan::parse(&config(kind, options)).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_have_dockers_words() {
        assert_eq!(refusal("x", &[]), "logger: no log driver named 'x' is registered");
        assert_eq!(refusal("json-file", &[("mode", "x")]), "logger: logging mode not supported: x");
        assert_eq!(
            refusal("local", &[("max-buffer-size", "1m")]),
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
        );
        assert_eq!(refusal("local", &[("x", "1")]), "unknown log opt 'x' for log driver local");
        assert_eq!(
            refusal("journald", &[("x", "1")]),
            "unknown log opt 'x' for journald log driver"
        );
        assert!(matches!(
            LogConfigPlan::parse(&config("awslogs", &[])),
            Err(ContainerError::NotBuilt(_))
        ));
    }

    #[test]
    fn every_driver_listed_is_taken() {
        for driver in DRIVERS {
            let options: &[_] =
                if driver == "gelf" { &[("gelf-address", "udp://127.0.0.1:1")] } else { &[] };
            LogConfigPlan::parse(&config(driver, options)).unwrap();
        }
    }

    #[test]
    fn non_blocking_has_a_bound() {
        let options = [("mode", "non-blocking"), ("max-buffer-size", "4m")];
        let plan = LogConfigPlan::parse(&config("syslog", &options)).unwrap();
        let Driver::Sink { delivery, cache, .. } = plan.driver else { panic!("a sink") };
        assert_eq!(delivery, Delivery::NonBlocking { max_buffer_bytes: 4 << 20 });
        assert!(cache.is_some());
    }

    #[test]
    fn defaults_are_the_own_drivers_but_for_the_cache() {
        let engine = config("json-file", &[("max-size", "20m"), ("cache-disabled", "true")]);
        let mut asked = config("", &[("max-file", "100")]);
        merge_defaults(&mut asked, &engine);
        let all = [("max-size", "20m"), ("max-file", "100"), ("cache-disabled", "true")];
        assert_eq!(asked, config("json-file", &all));
        let mut other = config("syslog", &[]);
        merge_defaults(&mut other, &engine);
        assert_eq!(other, config("syslog", &[("cache-disabled", "true")]));
    }
}
