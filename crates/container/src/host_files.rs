//! `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf` as containers see them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use network::{DnsOptions, ExtraHost, HostTarget, HostsFile, Networks};

use crate::{
    ContainerError, Containers, container::Container, network_mode::NetworkMode, record::Record,
    settings::DnsSettings,
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

/// Where a container's files are.
#[must_use]
pub fn locate(record: &Record, dir: &Path) -> Files {
    let resolv_conf = match NetworkMode::parse(&record.host_config.network_mode) {
        NetworkMode::Host => PathBuf::from("/etc/resolv.conf").canonicalize().ok(),
        _ => Some(dir.join("resolv.conf")),
    };
    Files { resolv_conf, hostname: dir.join("hostname"), hosts: Some(dir.join("hosts")) }
}

/// Writes what does not depend on the container's address. Only before a start: a running
/// container sees every change, and may have made its own.
///
/// # Errors
/// [`ContainerError::File`], [`ContainerError::Invalid`] for a name server that is no address.
pub fn write(
    record: &Record,
    dir: &Path,
    defaults: &DnsSettings,
    networks: &Networks,
) -> Result<(), ContainerError> {
    let hostname = match record.config.domainname.as_str() {
        "" => record.config.hostname.clone(),
        domain => format!("{}.{domain}", record.config.hostname),
    };
    if NetworkMode::parse(&record.host_config.network_mode) != NetworkMode::Host {
        save(dir.join("resolv.conf"), &resolver(record, defaults, networks)?)?;
    }
    save(dir.join("hostname"), &format!("{hostname}\n")).map(drop)
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
    let servers = or_default(&host.dns, &defaults.servers).into_iter().map(|text| {
        text.parse::<IpAddr>()
            .map_err(|_| ContainerError::Invalid(format!("{text} is not an ip address")))
    });
    Ok(networks.resolv_conf(&DnsOptions {
        servers: servers.collect::<Result<_, _>>()?,
        search: or_default(&host.dns_search, &defaults.search),
        options: or_default(&host.dns_options, &defaults.options),
    }))
}

/// What `/etc/hosts` depends on besides the record.
pub struct Names {
    /// The container's own address.
    pub address: Option<Ipv4Addr>,
    /// What `host-gateway` stands for.
    pub gateway: Ipv4Addr,
    /// Those of linked containers.
    pub linked: Vec<ExtraHost>,
}

impl Containers {
    /// Writes the hosts file of a running container anew; of another one nothing.
    ///
    /// # Errors
    /// As [`write_hosts`].
    pub(crate) fn rewrite_hosts(&self, container: &Container) -> Result<(), ContainerError> {
        let address = {
            let live = container.live();
            live.endpoint.as_ref().filter(|_| live.state.is_running()).map(|e| e.ip)
        };
        if address.is_none() {
            return Ok(());
        }
        self.write_hosts_of(&container.record(), address)
    }

    /// Writes the hosts file of a container with this address.
    ///
    /// # Errors
    /// As [`write_hosts`], and when a linked container does not run.
    pub(crate) fn write_hosts_of(
        &self,
        record: &Record,
        address: Option<Ipv4Addr>,
    ) -> Result<(), ContainerError> {
        let gateway = self.inner.services.networks.host_gateway();
        let linked = self.linked_hosts(record)?;
        write_hosts(record, &self.data_dir(&record.id), Names { address, gateway, linked })
    }
}

/// Writes `/etc/hosts`, which names the container's own address.
///
/// # Errors
/// [`ContainerError::Invalid`] for a malformed extra host, [`ContainerError::File`].
pub fn write_hosts(record: &Record, dir: &Path, names: Names) -> Result<(), ContainerError> {
    let Names { address, gateway, linked } = names;
    let mut extra = extra_hosts(record)?;
    extra.extend(linked);
    let addresses: Vec<IpAddr> = address.into_iter().map(IpAddr::from).collect();
    let text = match NetworkMode::parse(&record.host_config.network_mode) {
        NetworkMode::Host => {
            let mut text = fs::read_to_string("/etc/hosts").unwrap_or_default();
            for host in &extra {
                let address = match host.target {
                    HostTarget::Address(address) => address,
                    HostTarget::Gateway => gateway.into(),
                };
                text.push_str(&format!("{address}\t{}\n", host.name));
            }
            text
        }
        _ => HostsFile {
            addresses: &addresses,
            hostname: &record.config.hostname,
            domain: Some(record.config.domainname.as_str()),
            extra: &extra,
            gateway: gateway.into(),
        }
        .render(),
    };
    save(dir.join("hosts"), &text).map(drop)
}

/// Parses `--add-host`.
///
/// # Errors
/// [`ContainerError::Invalid`] with Docker's text.
pub fn extra_hosts(record: &Record) -> Result<Vec<ExtraHost>, ContainerError> {
    let parse = |text: &String| {
        text.parse::<ExtraHost>().map_err(|error| ContainerError::Invalid(error.to_string()))
    };
    record.host_config.extra_hosts.iter().flatten().map(parse).collect()
}
