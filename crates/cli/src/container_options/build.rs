//! The whole document of `POST /containers/create`.

use anyhow::bail;
use engine_api::{
    Empty, Set,
    container::{ContainerConfig, ContainerCreateRequest},
    health::HealthConfig,
    network::NetworkingConfig,
    port::PortMap,
};

use super::{
    environment,
    host_config::{host_config, list_or_null, port_bindings, volumes},
    network::networks,
    port,
};
use crate::grammar::Parsed;

fn health(flags: &Parsed) -> anyhow::Result<Option<HealthConfig>> {
    let command = flags.text("health-cmd");
    let number = |name: &str| -> anyhow::Result<i64> {
        match flags.int(name) {
            value if value < 0 => bail!("--{name} cannot be negative"),
            value => Ok(value),
        }
    };
    let numbers = [
        flags.int("health-interval"),
        flags.int("health-timeout"),
        flags.int("health-start-period"),
        flags.int("health-start-interval"),
        flags.int("health-retries"),
    ];
    let has_settings = !command.is_empty() || numbers.iter().any(|n| *n != 0);
    if flags.flag("no-healthcheck") {
        if has_settings {
            bail!("--no-healthcheck conflicts with --health-* options");
        }
        return Ok(Some(HealthConfig { test: vec!["NONE".to_owned()], ..Default::default() }));
    }
    if !has_settings {
        return Ok(None);
    }
    let test = match command {
        "" => Vec::new(),
        command => vec!["CMD-SHELL".to_owned(), command.to_owned()],
    };
    Ok(Some(HealthConfig {
        test,
        interval: number("health-interval")?,
        timeout: number("health-timeout")?,
        start_period: number("health-start-period")?,
        start_interval: number("health-start-interval")?,
        retries: number("health-retries")?,
    }))
}

fn exposed_ports(flags: &Parsed, bindings: &PortMap) -> anyhow::Result<Set> {
    let mut ports: Set = bindings.keys().map(|port| (port.clone(), Empty::default())).collect();
    for text in flags.list("expose") {
        for port in port::expose(text).map_err(anyhow::Error::msg)? {
            ports.insert(port, Empty::default());
        }
    }
    Ok(ports)
}

/// Which streams the client connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// Input.
    pub stdin: bool,
    /// Output.
    pub stdout: bool,
    /// Error output.
    pub stderr: bool,
}

impl Streams {
    /// What `-a`, `-i` and `-d` say: without `-a` and `-d` both outputs, and input with `-i`.
    #[must_use]
    pub fn of(flags: &Parsed) -> Self {
        let given = flags.list("attach");
        let has = |name: &str| given.iter().any(|own| own == name);
        let is_implied = given.is_empty() && !flags.flag("detach");
        Self {
            stdin: has("stdin") || (is_implied && flags.flag("interactive")),
            stdout: has("stdout") || is_implied,
            stderr: has("stderr") || is_implied,
        }
    }

    /// Whether any stream is connected.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

fn config(flags: &Parsed, exposed_ports: Set, anonymous: Set) -> anyhow::Result<ContainerConfig> {
    let streams = Streams::of(flags);
    let text = |name: &str| flags.text(name).to_owned();
    let has_input = flags.flag("interactive");
    let env = environment::variables(flags.list("env-file"), flags.list("env"))?;
    let timeout = flags.is_set("stop-timeout").then(|| flags.int("stop-timeout"));
    Ok(ContainerConfig {
        hostname: text("hostname"),
        domainname: text("domainname"),
        user: text("user"),
        attach_stdin: streams.stdin,
        attach_stdout: streams.stdout,
        attach_stderr: streams.stderr,
        exposed_ports,
        tty: flags.flag("tty"),
        open_stdin: has_input,
        stdin_once: has_input && streams.stdin,
        env: list_or_null(&env),
        cmd: list_or_null(flags.args.get(1..).unwrap_or_default()),
        healthcheck: health(flags)?,
        image: flags.first().to_owned(),
        volumes: Some(anonymous),
        working_dir: text("workdir"),
        entrypoint: flags.is_set("entrypoint").then(|| vec![text("entrypoint")]),
        labels: environment::labels(flags.list("label-file"), flags.list("label"))?,
        stop_signal: text("stop-signal"),
        stop_timeout: timeout,
        ..ContainerConfig::default()
    })
}

/// Builds the document from the flags and arguments of `run` or `create`.
///
/// # Errors
/// In docker's words, for combinations that make no sense and files that cannot be read.
pub fn create_request(flags: &Parsed) -> anyhow::Result<ContainerCreateRequest> {
    let mut mounts = volumes(flags)?;
    let bindings = port_bindings(flags)?;
    let exposed = exposed_ports(flags, &bindings)?;
    let networks = networks(flags)?;
    let anonymous = std::mem::take(&mut mounts.anonymous);
    let config = config(flags, exposed, anonymous)?;
    let host = host_config(flags, mounts, bindings, &networks.mode)?;
    let networking = NetworkingConfig { endpoints_config: Some(networks.endpoints) };
    Ok(ContainerCreateRequest {
        config,
        host_config: Some(host),
        networking_config: Some(networking),
    })
}
