//! Values that a scoped socket does not show. Names stay: a dashboard still sees that there is a
//! variable, not what it holds.

use engine_api::{
    StringMap,
    container::{ContainerConfig, ContainerInspect, ContainerSummary, TopResponse},
    disk_usage::DiskUsage,
    event::EventMessage,
    exec::ExecInspect,
    health::HealthConfig,
    image::{ImageHistoryItem, ImageInspect, ImageSummary},
    network::Network,
    volume::Volume,
};

use super::FACTS;
use crate::{Answer, ApiError};

const REDACTED: &str = "<redacted>";

/// The titles under which `ps` shows a command line.
const COMMAND_TITLES: [&str; 3] = ["CMD", "COMMAND", "ARGS"];

/// Facts of events about volumes, networks and the engine, besides [`FACTS`].
const OTHER_FACTS: [&str; 7] =
    ["driver", "type", "destination", "propagation", "read/write", "reclaimed", "comment"];

/// Which kinds of values are hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "four independent kinds, each by its own name")]
pub(super) struct Redaction {
    /// Environment variables.
    pub env: bool,
    /// Arguments of programs.
    pub args: bool,
    /// Labels and annotations.
    pub labels: bool,
    /// Options of drivers (logs, volumes, networks).
    pub options: bool,
}

impl Redaction {
    pub fn parse(words: &[String]) -> Answer<Self> {
        let mut redaction = Self::default();
        for word in words {
            match word.as_str() {
                "env" => redaction.env = true,
                "args" => redaction.args = true,
                "labels" => redaction.labels = true,
                "options" => redaction.options = true,
                other => {
                    return Err(ApiError::invalid(format!(
                        "unknown kind of value {other:?}: known are env, args, labels, options"
                    )));
                }
            }
        }
        Ok(redaction)
    }

    /// Whether arguments of `ps` are refused: they can rename columns, and show the environment.
    pub fn fixes_ps(self) -> bool {
        self.env || self.args
    }

    fn hide_env(self, env: &mut Option<Vec<String>>) {
        for variable in env.iter_mut().flatten().filter(|_| self.env) {
            if let Some((name, _)) = variable.split_once('=') {
                *variable = format!("{name}={REDACTED}");
            }
        }
    }

    fn hide_args<'a>(self, args: impl IntoIterator<Item = &'a mut String>) {
        args.into_iter().filter(|_| self.args).for_each(|arg| *arg = REDACTED.to_owned());
    }

    fn hide_labels(self, labels: &mut StringMap) {
        labels.values_mut().filter(|_| self.labels).for_each(|value| *value = REDACTED.to_owned());
    }

    fn hide_options(self, options: &mut Option<StringMap>) {
        let values = options.iter_mut().flat_map(StringMap::values_mut);
        values.filter(|_| self.options).for_each(|value| *value = REDACTED.to_owned());
    }

    fn hide_check(self, check: &mut Option<HealthConfig>) {
        // The first word is the form: CMD, CMD-SHELL, NONE.
        self.hide_args(check.iter_mut().flat_map(|check| check.test.iter_mut().skip(1)));
    }

    fn hide_command_line(self, line: &mut String) {
        if self.args
            && let Some((program, _)) = line.trim_start().split_once(' ')
        {
            *line = format!("{program} {REDACTED}");
        }
    }
}

/// Documents by kind.
impl Redaction {
    fn config(self, config: &mut ContainerConfig) {
        self.hide_env(&mut config.env);
        // Without an entrypoint the first word is the program, which is told elsewhere.
        self.hide_args(config.cmd.iter_mut().flatten());
        self.hide_args(config.entrypoint.iter_mut().flatten().skip(1));
        self.hide_check(&mut config.healthcheck);
        self.hide_labels(&mut config.labels);
    }

    pub fn container(self, document: &mut ContainerInspect) {
        self.hide_args(&mut document.args);
        self.config(&mut document.config);
        let host = &mut document.host_config;
        self.hide_labels(&mut host.annotations);
        self.hide_options(&mut host.log_config.config);
        for mount in &mut host.mounts {
            let driver = mount.volume_options.iter_mut().flat_map(|options| {
                self.hide_labels(&mut options.labels);
                options.driver_config.iter_mut()
            });
            for options in driver.flat_map(|driver| driver.options.values_mut()) {
                if self.options {
                    *options = REDACTED.to_owned();
                }
            }
        }
        for endpoint in document.network_settings.networks.values_mut() {
            self.hide_options(&mut endpoint.driver_opts);
        }
    }

    pub fn summary(self, document: &mut ContainerSummary) {
        self.hide_command_line(&mut document.command);
        self.hide_labels(&mut document.labels);
        self.hide_labels(&mut document.host_config.annotations);
        for endpoint in document.network_settings.networks.values_mut() {
            self.hide_options(&mut endpoint.driver_opts);
        }
    }

    pub fn top(self, document: &mut TopResponse) {
        let is_command = |title: &String| COMMAND_TITLES.contains(&title.as_str());
        let columns: Vec<bool> = document.titles.iter().map(is_command).collect();
        for row in &mut document.processes {
            for (cell, is_command) in row.iter_mut().zip(&columns) {
                if *is_command {
                    self.hide_command_line(cell);
                }
            }
        }
    }

    pub fn exec(self, document: &mut ExecInspect) {
        self.hide_args(document.process_config.arguments.iter_mut().flatten());
    }

    pub fn event(self, event: &mut EventMessage) {
        if self.args
            && let Some((action, _)) = event.action.split_once(": ")
            && action.starts_with("exec_")
        {
            event.action = format!("{action}: {REDACTED}");
            if !event.status.is_empty() {
                event.status.clone_from(&event.action);
            }
        }
        for (key, value) in event.actor.attributes.iter_mut().filter(|_| self.labels) {
            if !FACTS.contains(&key.as_str()) && !OTHER_FACTS.contains(&key.as_str()) {
                *value = REDACTED.to_owned();
            }
        }
    }

    pub fn image(self, document: &mut ImageInspect) {
        let Some(config) = &mut document.config else { return };
        self.hide_env(&mut config.env);
        self.hide_args(config.cmd.iter_mut().flatten());
        self.hide_args(config.entrypoint.iter_mut().flatten().skip(1));
        self.hide_check(&mut config.healthcheck);
        config.labels.iter_mut().for_each(|labels| self.hide_labels(labels));
    }

    pub fn image_summary(self, document: &mut ImageSummary) {
        document.labels.iter_mut().for_each(|labels| self.hide_labels(labels));
    }

    /// Steps of a build have the values of `ENV` and `ARG`, labels and command lines in them.
    pub fn history(self, item: &mut ImageHistoryItem) {
        if self.env || self.args || self.labels {
            item.created_by = REDACTED.to_owned();
        }
    }

    pub fn volume(self, document: &mut Volume) {
        document.labels.iter_mut().for_each(|labels| self.hide_labels(labels));
        self.hide_options(&mut document.options);
    }

    pub fn network(self, document: &mut Network) {
        document.labels.iter_mut().for_each(|labels| self.hide_labels(labels));
        self.hide_options(&mut document.options);
        self.hide_options(&mut document.ipam.options);
    }

    pub fn disk_usage(self, usage: &mut DiskUsage) {
        let containers = usage.container_usage.iter_mut().flat_map(|usage| &mut usage.items);
        containers.for_each(|container| self.summary(container));
        let images = usage.image_usage.iter_mut().flat_map(|usage| &mut usage.items);
        images.for_each(|image| self.image_summary(image));
        let volumes = usage.volume_usage.iter_mut().flat_map(|usage| &mut usage.items);
        volumes.for_each(|volume| self.volume(volume));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(words: &[&str]) -> Redaction {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Redaction::parse(&words).unwrap()
    }

    fn container() -> ContainerInspect {
        let mut document =
            ContainerInspect { args: vec!["-p".into(), "s3cret".into()], ..Default::default() };
        document.config.env = Some(vec!["A=s3cret=x".into(), "B".into()]);
        document.config.cmd = Some(vec!["-p".into(), "s3cret".into()]);
        document.config.healthcheck = Some(HealthConfig {
            test: vec!["CMD-SHELL".into(), "s3cret".into()],
            ..Default::default()
        });
        document.config.labels = [("k".to_owned(), "s3cret".to_owned())].into();
        document.host_config.log_config.config =
            Some([("token".to_owned(), "s3cret".to_owned())].into());
        document
    }

    #[test]
    fn each_kind_hides_its_own_values_and_all_kinds_hide_all() {
        let told = |words: &[&str]| {
            let mut document = container();
            redaction(words).container(&mut document);
            serde_json::to_string(&document).unwrap().matches("s3cret").count()
        };
        assert_eq!(told(&[]), 6);
        assert_eq!(told(&["env"]), 5);
        assert_eq!(told(&["args"]), 3);
        assert_eq!(told(&["labels"]), 5);
        assert_eq!(told(&["options"]), 5);
        assert_eq!(told(&["env", "args", "labels", "options"]), 0);
    }

    #[test]
    fn names_of_variables_stay() {
        let mut document = container();
        redaction(&["env"]).container(&mut document);
        assert_eq!(document.config.env.unwrap(), ["A=<redacted>", "B"]);
    }

    #[test]
    fn command_lines_keep_their_program() {
        let mut document = TopResponse {
            titles: vec!["PID".into(), "CMD".into()],
            processes: vec![
                vec!["1 2".into(), "psql --password x".into()],
                vec!["2".into(), "sh".into()],
            ],
        };
        redaction(&["args"]).top(&mut document);
        assert_eq!(document.processes[0], ["1 2", "psql <redacted>"]);
        assert_eq!(document.processes[1], ["2", "sh"]);
    }

    #[test]
    fn events_keep_their_facts() {
        let mut event =
            EventMessage { action: "exec_create: sh -c x".into(), ..Default::default() };
        event.actor.attributes =
            [("name".to_owned(), "n".to_owned()), ("k".to_owned(), "v".to_owned())].into();
        redaction(&["args", "labels"]).event(&mut event);
        assert_eq!(event.action, "exec_create: <redacted>");
        assert_eq!(event.actor.attributes["name"], "n");
        assert_eq!(event.actor.attributes["k"], "<redacted>");
    }
}
