//! `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf` as containers see them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use network::Networks;

use crate::{
    ContainerError, network_mode::NetworkMode, record::Record, settings::DnsSettings,
};

/// Where the files are.
pub struct Files {
    /// `None`: the container brings its own.
    pub resolv_conf: Option<PathBuf>,
    /// Always.
    pub hostname: PathBuf,
    /// `None` with another container's network, whose file is used there.
    pub hosts: Option<PathBuf>,
}

fn save(path: PathBuf, text: &str) -> Result<PathBuf, ContainerError> {
    // In place, not by renaming: a running container has the file bound by its inode.
    fs::write(&path, text).map_err(|source| ContainerError::File {
        action: "write",
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// Writes what does not depend on the container's address.
///
/// # Errors
/// [`ContainerError::File`].
pub fn write(
    record: &Record,
    dir: &Path,
    defaults: &DnsSettings,
    networks: &Networks,
) -> Result<Files, ContainerError> {
    let hostname = match record.config.domainname.as_str() {
        "" => record.config.hostname.clone(),
        domain => format!("{}.{domain}", record.config.hostname),
    };
    let mode = NetworkMode::parse(&record.host_config.network_mode);
    let resolv_conf = match mode {
        NetworkMode::Host => PathBuf::from("/etc/resolv.conf").canonicalize().ok(),
        _ => Some(save(dir.join("resolv.conf"), &resolver(record, defaults, networks)?)?),
    };
    Ok(Files {
        resolv_conf,
        hostname: save(dir.join("hostname"), &format!("{hostname}\n"))?,
        hosts: Some(dir.join("hosts")),
    })
}

fn resolver(
    record: &Record,
    defaults: &DnsSettings,
    networks: &Networks,
) -> Result<String, ContainerError> {
    let host = &record.host_config;
    let or_default = |own: &Option<Vec<String>>, default: &[String]| match own {
        Some(list) if !list.is_empty() => list.clone(),
        _ => default.to_vec(),
    };
    let servers = or_default(&host.dns, &defaults.servers);
    let search = or_default(&host.dns_search, &defaults.search);
    let options = or_default(&host.dns_options, &defaults.options);
    Ok(networks.resolv_conf(&servers, &search, &options)?)
}

/// Writes `/etc/hosts`, which names the container's own address.
///
/// # Errors
/// [`ContainerError::Invalid`] for a malformed extra host, [`ContainerError::File`].
pub fn write_hosts(
    record: &Record,
    dir: &Path,
    address: Option<Ipv4Addr>,
    gateway: &Option<IpAddr>,
) -> Result<(), ContainerError> {
    save(dir.join("hosts"), &hosts(record, address, gateway)?).map(drop)
}

fn hosts(
    record: &Record,
    address: Option<Ipv4Addr>,
    gateway: &Option<IpAddr>,
) -> Result<String, ContainerError> {
    let is_host = NetworkMode::parse(&record.host_config.network_mode) == NetworkMode::Host;
    let mut text = match is_host {
        true => fs::read_to_string("/etc/hosts").unwrap_or_default(),
        false => "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n".to_owned(),
    };
    for extra in record.host_config.extra_hosts.iter().flatten() {
        let (name, target) = extra.split_once(':').ok_or_else(|| {
            ContainerError::Invalid(format!("bad format for add-host: \"{extra}\""))
        })?;
        let target = match (target, gateway) {
            ("host-gateway", Some(gateway)) => gateway.to_string(),
            ("host-gateway", None) => "127.0.0.1".to_owned(),
            (text, _) => text.trim_matches(['[', ']']).to_owned(),
        };
        target.parse::<IpAddr>().map_err(|_| {
            ContainerError::Invalid(format!("invalid IP address in add-host: \"{target}\""))
        })?;
        text.push_str(&format!("{target}\t{name}\n"));
    }
    if let Some(address) = address {
        let hostname = &record.config.hostname;
        match record.config.domainname.as_str() {
            "" => text.push_str(&format!("{address}\t{hostname}\n")),
            domain => text.push_str(&format!("{address}\t{hostname}.{domain} {hostname}\n")),
        }
    }
    Ok(text)
}
