//! The whole document of `POST /containers/create`.

use engine_api::{
    Empty, Set,
    container::{ContainerConfig, ContainerCreateRequest},
    network::NetworkingConfig,
    port::PortMap,
};

use super::{
    environment, health,
    host_config::{host_config, list_or_null, port_bindings, volumes},
    network::networks,
    port,
};
use crate::grammar::Parsed;

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
    let mut labels = environment::labels(flags.list("label-file"), flags.list("label"))?;
    health::add_labels(flags, &mut labels);
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
        healthcheck: health::check(flags)?,
        image: flags.first().to_owned(),
        volumes: Some(anonymous),
        working_dir: text("workdir"),
        entrypoint: flags.is_set("entrypoint").then(|| vec![text("entrypoint")]),
        labels,
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
