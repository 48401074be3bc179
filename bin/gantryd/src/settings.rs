//! The configuration in the words of the services.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, anyhow};
use container::{DefaultSeccomp, DnsSettings, FavorDynmods, RuntimeSetting, Settings};
use distribution::{ClientConfig, InsecureRegistry, ProxyConfig};
use engine_api::host_config::{LogConfig, Ulimit};
use engine_http::adapter::EngineFacts;
use network::{DnsOptions, NetworkConfig};

use crate::{
    config::{Config, Switch},
    wire::EngineSettings,
};

/// Below every cgroup hierarchy unless `cgroup-parent` says otherwise.
const DEFAULT_CGROUP_PARENT: &str = "/gantry";
/// Programs that are installed beside `gantryd`.
const LOGGER: &str = "gantry-logger";
const SHIM: &str = "gantry-shim";
const INIT: &str = "gantry-init";

/// Translates the configuration.
///
/// # Errors
/// A value that only the service can judge (a bridge's name, a subnet, a mirror's URL), or a
/// missing file, named by its key.
pub fn of(config: &Config) -> Result<EngineSettings> {
    Ok(EngineSettings {
        data_root: config.data_root.clone(),
        exec_root: config.exec_root.clone(),
        network: network(config)?,
        registry: registry(config)?,
        max_concurrent_downloads: config.max_concurrent_downloads as usize,
        max_concurrent_uploads: config.max_concurrent_uploads as usize,
        containers: containers(config)?,
        facts: EngineFacts {
            labels: config.labels.clone(),
            debug: config.debug,
            registry_mirrors: config.registry_mirrors.clone(),
            insecure_registries: config.insecure_registries.clone(),
            ..EngineFacts::default()
        },
    })
}

fn network(config: &Config) -> Result<NetworkConfig> {
    let mut network = NetworkConfig {
        mtu: if config.mtu == 0 { 1500 } else { config.mtu },
        inter_container: config.icc,
        ip_forward: config.ip_forward,
        masquerade: config.ip_masq,
        dns: DnsOptions {
            servers: config.dns.clone(),
            search: config.dns_search.clone(),
            options: config.dns_opts.clone(),
        },
        ..NetworkConfig::default()
    };
    if let Some(name) = &config.bridge {
        network.bridge =
            name.parse().map_err(|error| anyhow!("invalid value for bridge: {error}"))?;
    }
    if let Some(bip) = &config.bip {
        network.bip = Some(bip.parse().map_err(|error| anyhow!("invalid value for bip: {error}"))?);
    }
    match config.ip {
        Some(std::net::IpAddr::V4(ip)) => network.default_host_ip = ip,
        Some(std::net::IpAddr::V6(ip)) => {
            return Err(anyhow!("invalid value for ip: {ip}: IPv6 is not built yet"));
        }
        None => {}
    }
    Ok(network)
}

fn registry(config: &Config) -> Result<ClientConfig> {
    let insecure = config.insecure_registries.iter().map(|text| {
        text.parse::<InsecureRegistry>()
            .map_err(|error| anyhow!("invalid value for insecure-registries: {error}"))
    });
    let mirrors = config.registry_mirrors.iter().map(|text| {
        text.parse().with_context(|| format!("invalid value for registry-mirrors: {text}"))
    });
    let mut client = ClientConfig {
        insecure_registries: insecure.collect::<Result<_>>()?,
        mirrors: mirrors.collect::<Result<_>>()?,
        proxy: ProxyConfig::from_environment(),
        ..ClientConfig::default()
    };
    client.certificate_dirs.insert(0, PathBuf::from("/etc/gantry/certs.d"));
    if let Some(dir) = &config.registry_certs_dir {
        client.certificate_dirs.insert(0, dir.clone());
    }
    Ok(client)
}

fn containers(config: &Config) -> Result<Settings> {
    let beside = |name: &str| -> Result<PathBuf> {
        Ok(std::env::current_exe()
            .context("cannot find the engine's own path")?
            .with_file_name(name))
    };
    let shim_binary = beside(SHIM)?;
    if !shim_binary.exists() {
        return Err(anyhow!("{} is missing: install it beside gantryd", shim_binary.display()));
    }
    let logger_binary = beside(LOGGER)?;
    let init = config.init_path.clone().map_or_else(|| beside(INIT), Ok)?;
    let runtimes = config.runtimes.iter().map(|(name, runtime)| {
        let setting =
            RuntimeSetting { path: runtime.path.clone(), args: runtime.runtime_args.clone() };
        (name.clone(), setting)
    });
    let ulimits = config.default_ulimits.iter().map(|(name, limit)| Ulimit {
        name: name.clone(),
        hard: limit.hard,
        soft: limit.soft,
    });
    let cgroup_parent = match config.cgroup_parent.as_str() {
        "" => DEFAULT_CGROUP_PARENT.to_owned(),
        parent => parent.to_owned(),
    };
    Ok(Settings {
        data_dir: PathBuf::new(),
        exec_dir: PathBuf::new(),
        shim_binary,
        logger_binary,
        init_binary: Some(init).filter(|path| path.exists()),
        cgroup_parent,
        favor_dynmods: match config.cgroup_favor_dynmods {
            Switch::Auto => FavorDynmods::Auto,
            Switch::On => FavorDynmods::On,
            Switch::Off => FavorDynmods::Off,
        },
        default_runtime: config.default_runtime.clone(),
        runtimes: runtimes.collect::<BTreeMap<_, _>>(),
        log: LogConfig {
            kind: config.log_driver.clone(),
            config: Some(config.log_opts.clone()).filter(|options| !options.is_empty()),
        },
        ulimits: ulimits.collect(),
        shm_size_bytes: i64::try_from(config.default_shm_size.0).unwrap_or(i64::MAX),
        has_init: config.init,
        no_new_privileges: config.no_new_privileges,
        seccomp: seccomp(&config.seccomp_profile)?,
        dns: DnsSettings::default(),
    })
}

fn seccomp(profile: &str) -> Result<DefaultSeccomp> {
    match profile {
        "" | "builtin" => Ok(DefaultSeccomp::Builtin),
        "unconfined" => Ok(DefaultSeccomp::Unconfined),
        path => std::fs::read_to_string(path)
            .map(DefaultSeccomp::Document)
            .with_context(|| format!("invalid value for seccomp-profile: cannot read {path}")),
    }
}
