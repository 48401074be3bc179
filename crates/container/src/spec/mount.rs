//! The mounts of a container: the kernel's own file systems, the engine's files, the caller's.

use std::path::Path;

use oci::runtime::Mount;

use super::{Inputs, is_below, security::Options};
use crate::{
    ContainerError,
    host_mount::Subpaths,
    record::{MountPlan, MountSource, ReadOnlySubmounts, Record},
    shared_memory::{self, SharedMemory},
};

/// Files that the engine writes and binds into the container.
#[derive(Debug, Clone, Copy)]
pub struct HostFiles<'a> {
    /// Over `/etc/resolv.conf`.
    pub resolv_conf: Option<&'a Path>,
    /// Over `/etc/hostname`.
    pub hostname: &'a Path,
    /// Over `/etc/hosts`.
    pub hosts: Option<&'a Path>,
}

fn kernel(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(source.to_owned()),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

/// All mounts in the order in which they are to be made.
pub(super) fn all(inputs: &Inputs<'_>) -> Result<Vec<Mount>, ContainerError> {
    let record = inputs.record;
    let options = Options::parse(record.host_config.security_opt.as_deref().unwrap_or_default())?;
    let is_taken = |path: &str| record.mounts.iter().any(|plan| plan.destination == path);
    let mut mounts: Vec<Mount> = kernel_mounts(inputs, &options)
        .into_iter()
        // A mount of the caller's replaces the engine's, and everything the engine has below it.
        .filter(|mount| !record.mounts.iter().any(|p| is_below(&mount.destination, &p.destination)))
        .collect();
    for (path, source) in [
        ("/etc/resolv.conf", inputs.files.resolv_conf),
        ("/etc/hostname", Some(inputs.files.hostname)),
        ("/etc/hosts", inputs.files.hosts),
    ] {
        if let (Some(source), false) = (source, is_taken(path)) {
            mounts.push(bind(path, source, &["rbind", "rprivate"]));
        }
    }
    let mut plans: Vec<&MountPlan> = record.mounts.iter().collect();
    plans.sort_by_key(|plan| plan.destination.matches('/').count());
    mounts.extend(plans.into_iter().map(|plan| planned(plan, &inputs.subpaths)));
    Ok(mounts)
}

fn bind(destination: &str, source: &Path, options: &[&str]) -> Mount {
    kernel(destination, "bind", &source.to_string_lossy(), options)
}

fn kernel_mounts(inputs: &Inputs<'_>, options: &Options) -> Vec<Mount> {
    let host = &inputs.record.host_config;
    let word = |is_writable: bool| if is_writable { "rw" } else { "ro" };
    let access = word(host.privileged);
    let cgroup_access = word(host.privileged || options.has_writable_cgroups);
    let mut mounts = vec![
        kernel("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        kernel("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        kernel(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        kernel("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
        kernel("/sys/fs/cgroup", "cgroup", "cgroup", &[cgroup_access, "nosuid", "noexec", "nodev"]),
        kernel("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    mounts.extend(shared_memory(inputs));
    mounts
}

fn shared_memory(inputs: &Inputs<'_>) -> Option<Mount> {
    match &inputs.shm {
        SharedMemory::Missing => None,
        SharedMemory::Mounted(path) => Some(bind("/dev/shm", path, &["rbind", "rprivate"])),
        SharedMemory::Own => {
            let size = format!("size={}", shared_memory::size_bytes(inputs.record));
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
            Some(kernel("/dev/shm", "tmpfs", "shm", &options))
        }
    }
}

fn planned(plan: &MountPlan, subpaths: &Subpaths) -> Mount {
    let destination = plan.destination.as_str();
    match &plan.source {
        MountSource::Bind { path, propagation, is_non_recursive, submounts } => {
            let mut options = vec![if *is_non_recursive { "bind" } else { "rbind" }];
            options.push(if propagation.is_empty() { "rprivate" } else { propagation });
            if plan.is_read_only {
                options.push(match submounts {
                    ReadOnlySubmounts::Writable => "ro",
                    ReadOnlySubmounts::WherePossible | ReadOnlySubmounts::Required
                        if *is_non_recursive =>
                    {
                        "ro"
                    }
                    _ => "rro",
                });
            }
            bind(destination, path, &options)
        }
        MountSource::Volume { path, .. } => {
            let mut options = vec!["rbind", "rprivate"];
            if plan.is_read_only {
                options.push("ro");
            }
            bind(destination, subpaths.get(destination).unwrap_or(path), &options)
        }
        MountSource::Tmpfs { options } => {
            let mut words: Vec<&str> = options.iter().map(String::as_str).collect();
            if plan.is_read_only && !words.contains(&"ro") {
                words.push("ro");
            }
            kernel(destination, "tmpfs", "tmpfs", &words)
        }
    }
}

/// A shared or slave bind needs a root that lets propagation through.
pub(super) fn root_propagation(record: &Record) -> Option<String> {
    let modes = record.mounts.iter().filter_map(|plan| match &plan.source {
        MountSource::Bind { propagation, .. } => Some(propagation.as_str()),
        _ => None,
    });
    let mut wanted = None;
    for mode in modes {
        match mode {
            "shared" | "rshared" => return Some("shared".to_owned()),
            "slave" | "rslave" => wanted = Some("rslave".to_owned()),
            _ => {}
        }
    }
    wanted
}
