//! The engine's configuration: flags and a JSON file with the keys of Docker's daemon.json.
//!
//! Both become one map by the file's keys. A key that is in both is a conflict, a key that is
//! not known is refused, and so is a value that cannot be right: nothing is ignored silently.

mod check;
mod file;
mod flags;
mod value;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

pub use flags::Flags;
pub use value::{AddressPool, Runtime, Size, Switch, Ulimit};

use engine_http::server::Address;

/// The group of the socket unless another is named.
pub const DEFAULT_GROUP: &str = "gantry";
/// The name of the built-in runtime.
pub const BUILTIN_RUNTIME: &str = "gantry";

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find faults.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What should not happen.
    Warn,
    /// What failed.
    Error,
    /// As `error`.
    Fatal,
    /// As `error`.
    Panic,
}

impl LogLevel {
    /// The log's own filter.
    #[must_use]
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error | Self::Fatal | Self::Panic => LevelFilter::ERROR,
        }
    }
}

/// The whole configuration, every value checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where the API is served.
    #[serde(with = "value::hosts")]
    pub hosts: Vec<Address>,
    /// What must survive a reboot.
    pub data_root: PathBuf,
    /// What dies with the host's boot.
    pub exec_root: PathBuf,
    /// The engine's process id.
    pub pidfile: PathBuf,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Log at least `debug`.
    pub debug: bool,
    /// TLS on TCP.
    pub tls: bool,
    /// TLS on TCP with client certificates.
    pub tlsverify: bool,
    /// Who signs client certificates.
    pub tlscacert: PathBuf,
    /// The server's certificate.
    pub tlscert: PathBuf,
    /// The server's key.
    pub tlskey: PathBuf,
    /// TCP without TLS.
    pub allow_plain_tcp: bool,
    /// The group of the unix socket.
    pub group: Option<String>,
    /// An existing bridge instead of the engine's, or `none`.
    pub bridge: Option<String>,
    /// Address and prefix of the engine's bridge.
    pub bip: Option<String>,
    /// The part of the bridge's subnet to give out.
    pub fixed_cidr: Option<String>,
    /// Pools for further networks.
    pub default_address_pools: Vec<AddressPool>,
    /// Of the bridge; 0 is the kernel's.
    pub mtu: u32,
    /// Containers on the default bridge reach each other.
    pub icc: bool,
    /// The host's address for published ports.
    pub ip: Option<IpAddr>,
    /// Switch on forwarding.
    pub ip_forward: bool,
    /// Masquerade.
    pub ip_masq: bool,
    /// DNS servers of containers.
    pub dns: Vec<IpAddr>,
    /// Options of their resolv.conf.
    pub dns_opts: Vec<String>,
    /// Their search domains.
    pub dns_search: Vec<String>,
    /// The runtime unless a container names one.
    pub default_runtime: String,
    /// External OCI runtimes by name.
    pub runtimes: BTreeMap<String, Runtime>,
    /// Registries without TLS or with unknown certificates: hosts and networks.
    pub insecure_registries: Vec<String>,
    /// A directory of `HOST[:PORT]/{*.crt,*.cert,*.key}`, before the standard ones.
    pub registry_certs_dir: Option<PathBuf>,
    /// Mirrors of the default registry.
    pub registry_mirrors: Vec<String>,
    /// Labels of the engine.
    pub labels: Vec<String>,
    /// The log driver of containers.
    pub log_driver: String,
    /// Its options.
    pub log_opts: BTreeMap<String, String>,
    /// Limits of containers, by name.
    pub default_ulimits: BTreeMap<String, Ulimit>,
    /// Size of `/dev/shm`.
    pub default_shm_size: Size,
    /// `private` or `host`; `None` is what the host's cgroups suggest.
    pub default_cgroupns_mode: Option<String>,
    /// `private` or `shareable`.
    pub default_ipc_mode: String,
    /// Run an init in every container.
    pub init: bool,
    /// The init.
    pub init_path: Option<PathBuf>,
    /// Accepted for Docker's files; containers always outlive the engine.
    pub live_restore: Option<bool>,
    /// Stop containers when the engine stops.
    pub stop_containers_on_exit: bool,
    /// Layers at once.
    pub max_concurrent_downloads: u32,
    /// Layers at once.
    pub max_concurrent_uploads: u32,
    /// Seconds for containers to stop with `stop-containers-on-exit`; -1 is forever.
    pub shutdown_timeout: i64,
    /// `builtin`, `unconfined` or a file.
    pub seccomp_profile: String,
    /// SELinux; not built.
    pub selinux_enabled: bool,
    /// Set `no_new_privs` in every container.
    pub no_new_privileges: bool,
    /// The cgroup above all containers'.
    pub cgroup_parent: String,
    /// Mount a cgroup hierarchy with `favordynmods`, see decision 0005.
    pub cgroup_favor_dynmods: Switch,
    /// User namespaces; not built.
    pub userns_remap: Option<String>,
    /// `overlay2`.
    pub storage_driver: Option<String>,
    /// Switches for features in development.
    pub features: BTreeMap<String, bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            data_root: "/var/lib/gantry".into(),
            exec_root: "/run/gantry".into(),
            pidfile: "/run/gantryd.pid".into(),
            log_level: LogLevel::default(),
            debug: false,
            tls: false,
            tlsverify: false,
            tlscacert: "/etc/gantry/ca.pem".into(),
            tlscert: "/etc/gantry/cert.pem".into(),
            tlskey: "/etc/gantry/key.pem".into(),
            allow_plain_tcp: false,
            group: None,
            bridge: None,
            bip: None,
            fixed_cidr: None,
            default_address_pools: Vec::new(),
            mtu: 1500,
            icc: true,
            ip: None,
            ip_forward: true,
            ip_masq: true,
            dns: Vec::new(),
            dns_opts: Vec::new(),
            dns_search: Vec::new(),
            default_runtime: BUILTIN_RUNTIME.to_owned(),
            runtimes: BTreeMap::new(),
            insecure_registries: Vec::new(),
            registry_certs_dir: None,
            registry_mirrors: Vec::new(),
            labels: Vec::new(),
            log_driver: "json-file".to_owned(),
            log_opts: BTreeMap::new(),
            default_ulimits: BTreeMap::new(),
            default_shm_size: Size(64 * 1024 * 1024),
            default_cgroupns_mode: None,
            default_ipc_mode: "private".to_owned(),
            init: false,
            init_path: None,
            live_restore: None,
            stop_containers_on_exit: false,
            max_concurrent_downloads: 3,
            max_concurrent_uploads: 5,
            shutdown_timeout: 15,
            seccomp_profile: "builtin".to_owned(),
            selinux_enabled: false,
            no_new_privileges: false,
            cgroup_parent: String::new(),
            cgroup_favor_dynmods: Switch::default(),
            userns_remap: None,
            storage_driver: None,
            features: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads flags and file into one configuration.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown, in both, or has a bad value.
    pub fn load(flags: &Flags) -> anyhow::Result<Self> {
        let values = file::merge(flags.values()?, file::read(flags)?, &flags.config_file)?;
        let mut config = file::decode(values)?;
        if config.hosts.is_empty() {
            let address = "".parse().expect("the empty address is the default one");
            config.hosts.push(address);
        }
        check::check(&config)?;
        Ok(config)
    }

    /// Whether TCP listeners have TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls || self.tlsverify
    }
}
