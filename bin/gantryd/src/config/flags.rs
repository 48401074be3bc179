//! The command line. Every flag has the name of `dockerd`'s; [`Flags::values`] gives them the
//! names that they have in the configuration file.

use std::{net::IpAddr, path::PathBuf};

use anyhow::Context;
use clap::{ArgAction, Parser};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::value::{Host, Size};

/// A self-sufficient engine for containers.
#[derive(Debug, Clone, Parser, Serialize)]
#[command(name = "gantryd", version, disable_version_flag = true)]
#[serde(rename_all = "kebab-case")]
pub struct Flags {
    /// Print version information and quit
    #[arg(short = 'v', long, action = ArgAction::Version)]
    #[serde(skip)]
    version: Option<bool>,
    /// Daemon configuration file
    #[arg(long, default_value = "/etc/gantry/daemon.json")]
    #[serde(skip)]
    pub config_file: PathBuf,
    /// Validate daemon configuration and exit
    #[arg(long)]
    #[serde(skip)]
    pub validate: bool,
    /// Daemon socket(s) to connect to
    #[arg(short = 'H', long = "host", value_name = "LIST")]
    #[serde(skip)]
    hosts: Vec<Host>,
    /// Root directory of persistent state
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Root directory for execution state files
    #[arg(long)]
    exec_root: Option<PathBuf>,
    /// Path to use for daemon PID file
    #[arg(short = 'p', long)]
    pidfile: Option<PathBuf>,
    /// Set the logging level (trace, debug, info, warn, error, fatal)
    #[arg(short = 'l', long)]
    log_level: Option<String>,
    /// Enable debug mode
    #[arg(short = 'D', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    debug: Option<bool>,
    /// Use TLS; implied by --tlsverify
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls: Option<bool>,
    /// Use TLS and verify the remote
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tlsverify: Option<bool>,
    /// Trust certs signed only by this CA
    #[arg(long)]
    tlscacert: Option<PathBuf>,
    /// Path to TLS certificate file
    #[arg(long)]
    tlscert: Option<PathBuf>,
    /// Path to TLS key file
    #[arg(long)]
    tlskey: Option<PathBuf>,
    /// Allow TCP without TLS: everyone who can reach the port is root on this host
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_plain_tcp: Option<bool>,
    /// Group for the unix socket
    #[arg(short = 'G', long)]
    group: Option<String>,
    /// Attach containers to a network bridge
    #[arg(short = 'b', long)]
    bridge: Option<String>,
    /// Address for the engine's bridge, in CIDR notation
    #[arg(long)]
    bip: Option<String>,
    /// IPv4 subnet for fixed IPs
    #[arg(long)]
    fixed_cidr: Option<String>,
    /// Default address pools for networks: base=10.0.0.0/8,size=24
    #[arg(long = "default-address-pool", value_name = "POOL")]
    #[serde(skip)]
    default_address_pools: Vec<String>,
    /// MTU of the containers' networks
    #[arg(long)]
    mtu: Option<i64>,
    /// Enable inter-container communication for the default bridge network
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    icc: Option<bool>,
    /// Host IP for port publishing from the default bridge network
    #[arg(long)]
    ip: Option<IpAddr>,
    /// Enable IP forwarding in system configuration
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ip_forward: Option<bool>,
    /// Enable IP masquerading for the default bridge network
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ip_masq: Option<bool>,
    /// DNS server to use
    #[arg(long, value_name = "LIST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns: Vec<String>,
    /// DNS options to use
    #[arg(long = "dns-opt", value_name = "LIST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_opts: Vec<String>,
    /// DNS search domains to use
    #[arg(long, value_name = "LIST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_search: Vec<String>,
    /// Default OCI runtime for containers
    #[arg(long)]
    default_runtime: Option<String>,
    /// Register an additional OCI compatible runtime: name=path
    #[arg(long = "add-runtime", value_name = "RUNTIME")]
    #[serde(skip)]
    runtimes: Vec<String>,
    /// Enable insecure registry communication
    #[arg(long = "insecure-registry", value_name = "LIST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    insecure_registries: Vec<String>,
    /// Directory of registries' certificates, HOST[:PORT]/ca.crt, looked at first
    #[arg(long, value_name = "DIR")]
    registry_certs_dir: Option<String>,
    /// Preferred registry mirror
    #[arg(long = "registry-mirror", value_name = "LIST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registry_mirrors: Vec<String>,
    /// Set key=value labels to the daemon
    #[arg(long = "label", value_name = "LIST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    /// Default driver for container logs
    #[arg(long)]
    log_driver: Option<String>,
    /// Default log driver options for containers: key=value
    #[arg(long = "log-opt", value_name = "OPTION")]
    #[serde(skip)]
    log_opts: Vec<String>,
    /// Default ulimits for containers: name=soft[:hard]
    #[arg(long = "default-ulimit", value_name = "ULIMIT")]
    #[serde(skip)]
    default_ulimits: Vec<String>,
    /// Default shm size for containers
    #[arg(long, value_name = "BYTES")]
    default_shm_size: Option<Size>,
    /// Default mode for containers cgroup namespace (host, private)
    #[arg(long)]
    default_cgroupns_mode: Option<String>,
    /// Default mode for containers ipc (shareable, private)
    #[arg(long)]
    default_ipc_mode: Option<String>,
    /// Run an init in the container to forward signals and reap processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    init: Option<bool>,
    /// Path to the init binary
    #[arg(long)]
    init_path: Option<PathBuf>,
    /// Accepted for compatibility: containers always outlive the engine
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    live_restore: Option<bool>,
    /// Stop containers when the engine stops
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    stop_containers_on_exit: Option<bool>,
    /// Set the max concurrent downloads
    #[arg(long, allow_negative_numbers = true)]
    max_concurrent_downloads: Option<i64>,
    /// Set the max concurrent uploads
    #[arg(long, allow_negative_numbers = true)]
    max_concurrent_uploads: Option<i64>,
    /// Seconds for containers to stop with --stop-containers-on-exit
    #[arg(long, allow_negative_numbers = true)]
    shutdown_timeout: Option<i64>,
    /// Path to seccomp profile; "unconfined" disables the default one
    #[arg(long)]
    seccomp_profile: Option<String>,
    /// Enable selinux support
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    selinux_enabled: Option<bool>,
    /// Set no-new-privileges by default for new containers
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_new_privileges: Option<bool>,
    /// Set parent cgroup for all containers
    #[arg(long)]
    cgroup_parent: Option<String>,
    /// Make moves between cgroups of v1 cheap on the whole host (auto, on, off)
    #[arg(long, value_name = "MODE")]
    cgroup_favor_dynmods: Option<String>,
    /// User/Group setting for user namespaces
    #[arg(long)]
    userns_remap: Option<String>,
    /// Storage driver to use
    #[arg(short = 's', long)]
    storage_driver: Option<String>,
    /// Enable or disable a feature: name[=false]
    #[arg(long = "feature", visible_alias = "features", value_name = "FEATURE")]
    #[serde(skip)]
    features: Vec<String>,
}

impl Flags {
    /// The flags that were given, by their keys in the file.
    ///
    /// # Errors
    /// A value of the form `key=value` has another form.
    pub fn values(&self) -> anyhow::Result<Map<String, Value>> {
        let Value::Object(mut values) = serde_json::to_value(self)? else {
            anyhow::bail!("the flags are not a map");
        };
        values.retain(|_, value| !value.is_null());
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        let pools = self.default_address_pools.iter().map(|text| pool(text));
        let mut add = |key: &str, value: Value| {
            let is_empty = value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty);
            if !is_empty {
                values.insert(key.to_owned(), value);
            }
        };
        add("hosts", json!(hosts));
        add("default-address-pools", pools.collect::<anyhow::Result<Vec<_>>>()?.into());
        add("runtimes", pairs(&self.runtimes, "--add-runtime", |path| Ok(json!({"path": path})))?);
        add("log-opts", pairs(&self.log_opts, "--log-opt", |value| Ok(json!(value)))?);
        add("default-ulimits", ulimits(&self.default_ulimits)?);
        add("features", features(&self.features)?);
        Ok(values)
    }
}

fn pairs(
    texts: &[String],
    flag: &str,
    value: impl Fn(&str) -> anyhow::Result<Value>,
) -> anyhow::Result<Value> {
    let mut map = Map::new();
    for text in texts {
        let (key, rest) = text
            .split_once('=')
            .filter(|(key, rest)| !key.is_empty() && !rest.is_empty())
            .with_context(|| format!("invalid argument {text:?} for {flag}: expected key=value"))?;
        map.insert(key.to_owned(), value(rest)?);
    }
    Ok(Value::Object(map))
}

fn ulimits(texts: &[String]) -> anyhow::Result<Value> {
    let limit = |text: &str| {
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        let number = |part: &str| {
            part.parse::<i64>().with_context(|| format!("invalid ulimit value {text:?}"))
        };
        Ok(json!({"Soft": number(soft)?, "Hard": number(hard)?}))
    };
    let mut map = pairs(texts, "--default-ulimit", limit)?;
    for (name, limit) in map.as_object_mut().into_iter().flatten() {
        limit["Name"] = json!(name);
    }
    Ok(map)
}

fn features(texts: &[String]) -> anyhow::Result<Value> {
    let mut map = Map::new();
    for text in texts {
        let (name, word) = text.split_once('=').unwrap_or((text, "true"));
        let is_on: bool =
            word.parse().with_context(|| format!("invalid argument {text:?} for --feature"))?;
        map.insert(name.to_owned(), json!(is_on));
    }
    Ok(Value::Object(map))
}

fn pool(text: &str) -> anyhow::Result<Value> {
    let mut pool = Map::new();
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("base", base)) => pool.insert("base".to_owned(), json!(base)),
            Some(("size", size)) => pool.insert(
                "size".to_owned(),
                json!(size.parse::<u8>().with_context(|| format!("invalid pool size {size:?}"))?),
            ),
            _ => anyhow::bail!("default address pool {text:?} must be base=CIDR,size=NUMBER"),
        };
    }
    Ok(Value::Object(pool))
}
