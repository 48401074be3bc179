//! What the types do not say: values that contradict each other or cannot be right.

use std::net::IpAddr;

use anyhow::{Context, bail, ensure};
use container::LogConfigPlan;
use engine_api::host_config::LogConfig;

use super::{BUILTIN_RUNTIME, Config};

/// Refuses values that cannot be right.
///
/// # Errors
/// The first such value, with its key.
pub fn check(config: &Config) -> anyhow::Result<()> {
    check_unbuilt(config)?;
    check_networks(config)?;
    check_registries(config)?;
    check_runtimes(config)?;
    check_containers(config)?;
    check_logs(config)?;
    ensure!(
        config.max_concurrent_downloads > 0,
        "invalid max concurrent downloads: {}",
        config.max_concurrent_downloads
    );
    ensure!(
        config.max_concurrent_uploads > 0,
        "invalid max concurrent uploads: {}",
        config.max_concurrent_uploads
    );
    ensure!(
        config.shutdown_timeout >= -1,
        "invalid value for shutdown-timeout: {}",
        config.shutdown_timeout
    );
    check_labels(config)
}

fn check_unbuilt(config: &Config) -> anyhow::Result<()> {
    if let Some(user) = config.userns_remap.as_deref().filter(|user| !user.is_empty()) {
        bail!("userns-remap: {user}: user namespaces are not implemented by Gantry yet");
    }
    ensure!(
        !config.selinux_enabled,
        "selinux-enabled: SELinux labels are not implemented by Gantry yet"
    );
    match config.storage_driver.as_deref() {
        None | Some("" | "overlay2") => Ok(()),
        Some(other) => {
            bail!("storage-driver: {other}: driver not supported; overlay2 is the one there is")
        }
    }
}

/// Every container without a driver of its own gets these: a mistake is the engine's, not theirs.
fn check_logs(config: &Config) -> anyhow::Result<()> {
    if config.log_opts.is_empty() {
        return Ok(());
    }
    let log = LogConfig { kind: config.log_driver.clone(), config: Some(config.log_opts.clone()) };
    LogConfigPlan::parse(&log).map(drop).context("failed to set log opts")
}

fn check_networks(config: &Config) -> anyhow::Result<()> {
    if let Some(bip) = &config.bip {
        cidr(bip).with_context(|| format!("invalid value for bip: {bip}"))?;
    }
    if let Some(fixed) = &config.fixed_cidr {
        cidr(fixed).with_context(|| format!("invalid value for fixed-cidr: {fixed}"))?;
    }
    for pool in &config.default_address_pools {
        let (_, prefix) = cidr(&pool.base)
            .with_context(|| format!("invalid value for default-address-pools: {}", pool.base))?;
        ensure!(
            pool.size >= prefix,
            "invalid value for default-address-pools: networks of size {} do not fit into {}",
            pool.size,
            pool.base
        );
    }
    ensure!(
        config.mtu == 0 || (68..=65535).contains(&config.mtu),
        "invalid default MTU: {}",
        config.mtu
    );
    Ok(())
}

fn cidr(text: &str) -> anyhow::Result<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/').context("an address with /PREFIX is expected")?;
    let address: IpAddr = address.parse().context("not an IP address")?;
    let prefix: u8 = prefix.parse().context("not a prefix length")?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    ensure!(prefix <= longest, "a prefix is at most {longest}");
    Ok((address, prefix))
}

fn check_registries(config: &Config) -> anyhow::Result<()> {
    for registry in &config.insecure_registries {
        ensure!(!registry.contains("://"), "insecure registry {registry} should not contain '://'");
        ensure!(
            !registry.is_empty() && !registry.starts_with('-') && !registry.contains(' '),
            "insecure registry {registry:?} is not valid: invalid host"
        );
    }
    for mirror in &config.registry_mirrors {
        let rest = mirror.strip_prefix("https://").or_else(|| mirror.strip_prefix("http://"));
        let rest = rest.with_context(|| {
            format!(
                "invalid mirror: no scheme specified for {mirror:?}: must use either 'https://' \
                 or 'http://'"
            )
        })?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        ensure!(
            !host.is_empty() && !host.contains(['?', '#', '@', ' ']),
            "invalid mirror: {mirror:?} is not a host with an optional path"
        );
    }
    Ok(())
}

fn check_runtimes(config: &Config) -> anyhow::Result<()> {
    ensure!(
        !config.runtimes.contains_key(BUILTIN_RUNTIME),
        "runtime name '{BUILTIN_RUNTIME}' is reserved"
    );
    let name = &config.default_runtime;
    ensure!(
        name == BUILTIN_RUNTIME || config.runtimes.contains_key(name),
        "specified default runtime '{name}' does not exist"
    );
    Ok(())
}

fn check_containers(config: &Config) -> anyhow::Result<()> {
    ensure!(
        matches!(config.default_cgroupns_mode.as_deref(), None | Some("private" | "host")),
        "invalid default cgroup namespace ({}), use \"host\" or \"private\"",
        config.default_cgroupns_mode.as_deref().unwrap_or("")
    );
    ensure!(
        matches!(config.default_ipc_mode.as_str(), "private" | "shareable"),
        "IPC \"{}\" is not supported as default value for daemon: invalid value for \
         default-ipc-mode",
        config.default_ipc_mode
    );
    for (name, limit) in &config.default_ulimits {
        ensure!(
            name == &limit.name,
            "invalid value for default-ulimits: {name} is named {:?}",
            limit.name
        );
        ensure!(
            limit.hard == -1 || limit.soft <= limit.hard,
            "invalid value for default-ulimits: {name}: ulimit soft limit must be less than or \
             equal to hard limit: {} > {}",
            limit.soft,
            limit.hard
        );
    }
    let profile = &config.seccomp_profile;
    ensure!(
        matches!(profile.as_str(), "" | "builtin" | "unconfined")
            || std::path::Path::new(profile).is_file(),
        "invalid value for seccomp-profile: {profile}: no such file"
    );
    Ok(())
}

fn check_labels(config: &Config) -> anyhow::Result<()> {
    let mut seen = std::collections::BTreeMap::new();
    for label in &config.labels {
        let (key, value) = label
            .split_once('=')
            .filter(|(key, value)| !key.is_empty() && !value.is_empty())
            .with_context(|| format!("bad attribute format: {label}"))?;
        if let Some(other) = seen.insert(key, value)
            && other != value
        {
            bail!("conflict labels for {key}={value} and {key}={other}");
        }
    }
    Ok(())
}
