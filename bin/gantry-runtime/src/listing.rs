//! Commands that only tell.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use oci::runtime::{Capabilities, Linux, Mount, Namespace, Process, Rlimit, Root, Spec};
use runtime::hook::OCI_VERSION;
use serde_json::json;

use crate::{arguments::ListFormat, container::Container};

pub fn state(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    let document = container.document(container.status());
    let mut value = serde_json::to_value(document)?;
    value["rootfs"] = json!(rootfs(&container));
    value["created"] = json!(container.record.created);
    println!("{}", serde_json::to_string_pretty(&value)?);
    Ok(())
}

fn rootfs(container: &Container) -> std::path::PathBuf {
    let root = container.record.spec.root.clone().unwrap_or_default();
    container.record.bundle.join(root.path)
}

pub fn list(root: &Path, format: ListFormat, quiet: bool) -> anyhow::Result<()> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e).with_context(|| format!("list {}", root.display())),
    };
    // A directory without a record is a creation under way.
    let mut containers: Vec<Container> = entries
        .iter()
        .filter_map(|entry| Container::load(root, entry.file_name().to_str()?).ok())
        .collect();
    containers.sort_by(|a, b| a.record.id.cmp(&b.record.id));
    if quiet {
        containers.iter().for_each(|c| println!("{}", c.record.id));
        return Ok(());
    }
    if format == ListFormat::Json {
        let documents: Vec<_> = containers
            .iter()
            .map(|c| {
                json!({
                    "ociVersion": OCI_VERSION,
                    "id": c.record.id,
                    "pid": c.document(c.status()).pid.unwrap_or(0),
                    "status": c.status().name(),
                    "bundle": c.record.bundle,
                    "rootfs": rootfs(c),
                    "created": c.record.created,
                })
            })
            .collect();
        println!("{}", serde_json::to_string(&documents)?);
        return Ok(());
    }
    println!("{:<24} {:<10} {:<10} {:<32} CREATED", "ID", "PID", "STATUS", "BUNDLE");
    for c in &containers {
        let status = c.status();
        println!(
            "{:<24} {:<10} {:<10} {:<32} {}",
            c.record.id,
            c.document(status).pid.unwrap_or(0),
            status.name(),
            c.record.bundle.display(),
            c.record.created
        );
    }
    Ok(())
}

pub fn processes(root: &Path, id: &str, format: ListFormat) -> anyhow::Result<()> {
    let pids = Container::load(root, id)?.cgroup.pids()?;
    if format == ListFormat::Json {
        println!("{}", serde_json::to_string(&pids)?);
        return Ok(());
    }
    println!("{:<10} CMD", "PID");
    for pid in pids {
        // It may have ended meanwhile.
        let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        println!("{pid:<10} {}", command.trim_end());
    }
    Ok(())
}

pub fn features() -> anyhow::Result<()> {
    let document = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                  "poststop"],
        "mountOptions": ["async", "atime", "bind", "defaults", "dev", "diratime", "dirsync",
            "exec", "noatime", "nodev", "nodiratime", "noexec", "norelatime", "nostrictatime",
            "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev", "rdiratime", "relatime",
            "rexec", "rnoatime", "rnodev", "rnodiratime", "rnoexec", "rnosuid", "ro", "rprivate",
            "rro", "rrw", "rshared", "rslave", "rsuid", "runbindable", "rw", "shared", "slave",
            "strictatime", "suid", "symfollow", "tmpcopyup", "unbindable"],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": runtime::CAPABILITY_NAMES.as_slice(),
            "cgroup": {"v1": true, "v2": true, "systemd": false, "systemdUser": false,
                       "rdma": false},
            "seccomp": {
                "enabled": true,
                "actions": ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
                    "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                    "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"],
                "operators": ["SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE",
                    "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"],
                "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86",
                    "SCMP_ARCH_X86_64"],
                "knownFlags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                    "SECCOMP_FILTER_FLAG_TSYNC"],
            },
            "apparmor": {"enabled": true},
            "selinux": {"enabled": true},
            "intelRdt": {"enabled": false},
            "mountExtensions": {"idmap": {"enabled": false}},
        },
        "annotations": {"org.gantry.runtime.version": env!("CARGO_PKG_VERSION")},
    });
    println!("{}", serde_json::to_string_pretty(&document)?);
    Ok(())
}

pub fn spec(bundle: &Path) -> anyhow::Result<()> {
    let path = bundle.join("config.json");
    if path.exists() {
        bail!("file {} exists: remove it first", path.display());
    }
    let json = serde_json::to_vec_pretty(&example())?;
    fs::write(&path, json).with_context(|| format!("write {}", path.display()))
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
