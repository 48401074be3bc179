//! The part of a container's document that depends on the host.

use anyhow::bail;
use engine_api::{
    StringMap,
    host_config::{DeviceRequest, HostConfig, LogConfig, Resources, RestartPolicy},
    mount::Mount,
    port::PortMap,
};

use super::{device, gpus, mount, port, ulimit, volume};
use crate::grammar::Parsed;

/// `None` for an empty list, as Go writes a nil slice.
pub(super) fn list_or_null(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// Reads `NAME[:RETRIES]`.
///
/// # Errors
/// In docker's words.
pub fn restart_policy(text: &str) -> anyhow::Result<RestartPolicy> {
    let (name, count) = text.split_once(':').unwrap_or((text, ""));
    if name.is_empty() && !count.is_empty() {
        bail!("invalid restart policy format: no policy provided before colon");
    }
    let maximum_retry_count = match count {
        "" => 0,
        count => count.parse().map_err(|_| {
            anyhow::anyhow!("invalid restart policy format: maximum retry count must be an integer")
        })?,
    };
    Ok(RestartPolicy { name: name.to_owned(), maximum_retry_count })
}

/// What the mounts of the flags come to.
#[derive(Default)]
pub(super) struct Volumes {
    pub(super) binds: Vec<String>,
    pub(super) anonymous: engine_api::Set,
    pub(super) mounts: Vec<Mount>,
}

pub(super) fn volumes(flags: &Parsed) -> anyhow::Result<Volumes> {
    let mut result = Volumes::default();
    for text in flags.list("volume") {
        match volume::parse(text).map_err(anyhow::Error::msg)? {
            volume::Volume::Bind(bind) if !result.binds.contains(&bind) => result.binds.push(bind),
            volume::Volume::Bind(_) => {}
            volume::Volume::Anonymous(path) => {
                result.anonymous.insert(path, engine_api::Empty::default());
            }
        }
    }
    for text in flags.list("mount") {
        result.mounts.push(mount::parse(text).map_err(anyhow::Error::msg)?);
    }
    Ok(result)
}

pub(super) fn port_bindings(flags: &Parsed) -> anyhow::Result<PortMap> {
    let mut bindings = PortMap::new();
    for text in flags.list("publish") {
        port::publish(text, &mut bindings).map_err(anyhow::Error::msg)?;
    }
    Ok(bindings)
}

fn security_options(flags: &Parsed) -> anyhow::Result<Vec<String>> {
    let mut options = Vec::new();
    for text in flags.list("security-opt") {
        let (name, value) = match text.split_once('=').or_else(|| text.split_once(':')) {
            Some((name, value)) => (name, value),
            None if text == "no-new-privileges" => (text.as_str(), ""),
            None => bail!("Invalid --security-opt: {text:?}"),
        };
        if name == "systempaths" && value == "unconfined" {
            continue;
        }
        if name == "seccomp" && value != "unconfined" && value != "builtin" {
            let bytes = std::fs::read(value).map_err(|e| {
                anyhow::anyhow!(
                    "opening seccomp profile ({value}) failed: open {value}: {}",
                    super::environment::reason(&e)
                )
            })?;
            let profile: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| {
                anyhow::anyhow!("compacting json for seccomp profile ({value}) failed: {e}")
            })?;
            options.push(format!("seccomp={profile}"));
            continue;
        }
        options.push(text.clone());
    }
    Ok(options)
}

fn has_unconfined_system_paths(flags: &Parsed) -> bool {
    flags
        .list("security-opt")
        .iter()
        .any(|t| matches!(t.as_str(), "systempaths=unconfined" | "systempaths:unconfined"))
}

/// Capabilities in the form the engine wants: capitals, prefix, sorted, each once.
fn capabilities(add: &[String], drop: &[String]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let normal = |values: &[String]| {
        let mut names: Vec<String> = values
            .iter()
            .map(|name| {
                let name = name.trim().to_uppercase();
                if name == "ALL" || name == "RESET" || name.starts_with("CAP_") {
                    name
                } else {
                    format!("CAP_{name}")
                }
            })
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    (some(normal(add)), some(normal(drop)))
}

fn check_mode(flag: &str, value: &str, is_valid: bool) -> anyhow::Result<()> {
    if !is_valid {
        bail!("--{flag}: invalid {value} mode");
    }
    Ok(())
}

fn check_modes(flags: &Parsed) -> anyhow::Result<()> {
    let is_container =
        |text: &str| text.strip_prefix("container:").is_some_and(|name| !name.is_empty());
    let pid = flags.text("pid");
    check_mode("pid", "PID", matches!(pid, "" | "host") || is_container(pid))?;
    check_mode("uts", "UTS", matches!(flags.text("uts"), "" | "host"))?;
    check_mode("userns", "USER", matches!(flags.text("userns"), "" | "host"))?;
    check_mode("cgroupns", "CGROUP", matches!(flags.text("cgroupns"), "" | "host" | "private"))
}

/// The limits, for `run`, `create` and `update`.
///
/// # Errors
/// In docker's words.
pub fn resources(flags: &Parsed) -> anyhow::Result<Resources> {
    let swappiness = flags.int("memory-swappiness");
    if swappiness != -1 && !(0..=100).contains(&swappiness) {
        bail!("invalid value: {swappiness}. Valid memory swappiness range is 0-100");
    }
    let mut devices = Vec::new();
    let mut cdi = Vec::new();
    for text in flags.list("device") {
        if device::is_cdi(text) {
            cdi.push(text.clone());
        } else {
            devices.push(device::mapping(text).map_err(anyhow::Error::msg)?);
        }
    }
    let mut requests = Vec::new();
    for text in flags.list("gpus") {
        requests.push(gpus::parse(text).map_err(anyhow::Error::msg)?);
    }
    if !cdi.is_empty() {
        let driver = "cdi".to_owned();
        requests.push(DeviceRequest { driver, device_ids: Some(cdi), ..Default::default() });
    }
    let limits = flags.list("ulimit").iter().map(|text| ulimit::parse(text));
    let mut ulimits = limits.collect::<Result<Vec<_>, _>>().map_err(anyhow::Error::msg)?;
    ulimits.sort_by(|a, b| a.name.cmp(&b.name));
    let unsigned = |name: &str| u64::try_from(flags.int(name)).unwrap_or(0);
    Ok(Resources {
        cpu_shares: flags.int("cpu-shares"),
        memory: flags.int("memory"),
        nano_cpus: flags.int("cpus"),
        cgroup_parent: flags.text("cgroup-parent").to_owned(),
        blkio_weight: u16::try_from(flags.int("blkio-weight")).unwrap_or(0),
        blkio_weight_device: Some(device::weights(flags.list("blkio-weight-device"))),
        blkio_device_read_bps: Some(device::byte_rates(flags.list("device-read-bps"))),
        blkio_device_write_bps: Some(device::byte_rates(flags.list("device-write-bps"))),
        blkio_device_read_iops: Some(device::operation_rates(flags.list("device-read-iops"))),
        blkio_device_write_iops: Some(device::operation_rates(flags.list("device-write-iops"))),
        cpu_period: flags.int("cpu-period"),
        cpu_quota: flags.int("cpu-quota"),
        cpu_realtime_period: flags.int("cpu-rt-period"),
        cpu_realtime_runtime: flags.int("cpu-rt-runtime"),
        cpuset_cpus: flags.text("cpuset-cpus").to_owned(),
        cpuset_mems: flags.text("cpuset-mems").to_owned(),
        devices: Some(devices),
        device_cgroup_rules: list_or_null(flags.list("device-cgroup-rule")),
        device_requests: (!requests.is_empty()).then_some(requests),
        kernel_memory: flags.int("kernel-memory"),
        memory_reservation: flags.int("memory-reservation"),
        memory_swap: flags.int("memory-swap"),
        memory_swappiness: Some(swappiness),
        oom_kill_disable: Some(flags.flag("oom-kill-disable")),
        pids_limit: Some(flags.int("pids-limit")),
        ulimits: Some(ulimits),
        cpu_count: flags.int("cpu-count"),
        cpu_percent: flags.int("cpu-percent"),
        io_maximum_iops: unsigned("io-maxiops"),
        io_maximum_bandwidth: unsigned("io-maxbandwidth"),
        ..Resources::default()
    })
}

fn storage_options(flags: &Parsed) -> anyhow::Result<StringMap> {
    if flags.list("storage-opt").iter().any(|text| !text.contains('=')) {
        bail!("invalid storage option");
    }
    Ok(flags.map("storage-opt"))
}

/// Builds the document; mounts, ports and networks are given because the other part needs them too.
pub(super) fn host_config(
    flags: &Parsed,
    volumes: Volumes,
    bindings: PortMap,
    network_mode: &str,
) -> anyhow::Result<HostConfig> {
    check_modes(flags)?;
    let policy = restart_policy(flags.text("restart"))?;
    if flags.flag("rm") && !matches!(policy.name.as_str(), "" | "no") {
        bail!("conflicting options: cannot specify both --restart and --rm");
    }
    let driver = flags.text("log-driver");
    if driver == "none" && !flags.list("log-opt").is_empty() {
        bail!("invalid logging opts for driver {driver}");
    }
    let system_paths = has_unconfined_system_paths(flags).then(Vec::new);
    let security = security_options(flags)?;
    let (cap_add, cap_drop) = capabilities(flags.list("cap-add"), flags.list("cap-drop"));
    let text = |name: &str| flags.text(name).to_owned();
    let list = |name: &str| Some(flags.list(name).to_vec());
    let or_null = |name: &str| list_or_null(flags.list(name));
    Ok(HostConfig {
        resources: resources(flags)?,
        binds: list_or_null(&volumes.binds),
        container_id_file: text("cidfile"),
        log_config: LogConfig { kind: driver.to_owned(), config: Some(flags.map("log-opt")) },
        network_mode: network_mode.to_owned(),
        port_bindings: Some(bindings),
        restart_policy: policy,
        auto_remove: flags.flag("rm"),
        volume_driver: text("volume-driver"),
        volumes_from: or_null("volumes-from"),
        console_size: [0, 0],
        annotations: flags.map("annotation"),
        cap_add,
        cap_drop,
        cgroupns_mode: text("cgroupns"),
        dns: list("dns"),
        dns_options: list("dns-option"),
        dns_search: list("dns-search"),
        extra_hosts: or_null("add-host"),
        group_add: or_null("group-add"),
        ipc_mode: text("ipc"),
        cgroup: String::new(),
        links: or_null("link"),
        oom_score_adj: flags.int("oom-score-adj"),
        pid_mode: text("pid"),
        privileged: flags.flag("privileged"),
        publish_all_ports: flags.flag("publish-all"),
        readonly_rootfs: flags.flag("read-only"),
        security_opt: list_or_null(&security),
        storage_opt: storage_options(flags)?,
        tmpfs: flags.list("tmpfs").iter().map(|text| volume::tmpfs(text)).collect(),
        uts_mode: text("uts"),
        userns_mode: text("userns"),
        shm_size: flags.int("shm-size"),
        sysctls: flags.map("sysctl"),
        runtime: text("runtime"),
        isolation: text("isolation"),
        mounts: volumes.mounts,
        masked_paths: system_paths.clone(),
        readonly_paths: system_paths,
        init: flags.is_set("init").then(|| flags.flag("init")),
    })
}
