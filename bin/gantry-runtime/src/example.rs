//! `spec`: a configuration to start from.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use oci::runtime::{Capabilities, IdMapping, Linux, Mount, Namespace, Process, Rlimit, Root, Spec};
use runtime::hook::OCI_VERSION;

pub fn spec(bundle: &Path, is_rootless: bool) -> anyhow::Result<()> {
    let path = bundle.join("config.json");
    if path.exists() {
        bail!("file {} exists: remove it first", path.display());
    }
    let json =
        serde_json::to_vec_pretty(&if is_rootless { rootless(example()) } else { example() })?;
    fs::write(&path, json).with_context(|| format!("write {}", path.display()))
}

/// For a caller without privileges: mapped as root, on the host's network, without cgroups.
fn rootless(mut spec: Spec) -> Spec {
    let caller = |id| vec![IdMapping { container_id: 0, host_id: id, size: 1 }];
    let linux = spec.linux.get_or_insert_default();
    linux.namespaces.retain(|namespace| namespace.kind != "network");
    linux.namespaces.push(Namespace { kind: "user".to_owned(), path: None });
    linux.uid_mappings = caller(rustix::process::geteuid().as_raw());
    linux.gid_mappings = caller(rustix::process::getegid().as_raw());
    linux.resources = None;
    for mount in &mut spec.mounts {
        mount.options.retain(|o| !o.starts_with("gid=") && !o.starts_with("uid="));
        if mount.destination == "/sys" {
            mount.kind = Some("none".to_owned());
            mount.source = Some("/sys".to_owned());
            mount.options =
                ["rbind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec();
        }
    }
    spec
}

fn example() -> Spec {
    let strings = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let capabilities = strings(&["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mount = |destination: &str, kind: &str, options: &[&str]| Mount {
        destination: destination.to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(kind.to_owned()),
        options: strings(options),
        ..Mount::default()
    };
    let rlimit = Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 };
    Spec {
        oci_version: OCI_VERSION.to_owned(),
        process: Some(Process {
            terminal: true,
            args: strings(&["sh"]),
            env: strings(&[
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ]),
            cwd: "/".to_owned(),
            capabilities: Some(Capabilities {
                bounding: capabilities.clone(),
                effective: capabilities.clone(),
                permitted: capabilities,
                ..Capabilities::default()
            }),
            rlimits: vec![rlimit],
            no_new_privileges: true,
            ..Process::default()
        }),
        root: Some(Root { path: "rootfs".into(), readonly: true }),
        hostname: Some("gantry".to_owned()),
        mounts: vec![
            mount("/proc", "proc", &[]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount(
                "/dev/pts",
                "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            ),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        linux: Some(Linux {
            namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"]
                .iter()
                .map(|kind| Namespace { kind: (*kind).to_owned(), path: None })
                .collect(),
            masked_paths: strings(&[
                "/proc/acpi",
                "/proc/asound",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/proc/sched_debug",
                "/sys/firmware",
                "/proc/scsi",
            ]),
            readonly_paths: strings(&[
                "/proc/bus",
                "/proc/fs",
                "/proc/irq",
                "/proc/sys",
                "/proc/sysrq-trigger",
            ]),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}
