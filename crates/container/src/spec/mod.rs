//! The runtime configuration of a container: record -> [`oci::runtime::Spec`].
//!
//! Pure: everything that needs the kernel, the network or another container is in [`Inputs`].

pub mod capability;
pub mod device;
mod mount;
pub mod resource;
pub mod security;

use std::path::Path;

use oci::runtime::{
    Capabilities, ConsoleSize, Linux, LinuxResources, Namespace, Process, Root, Spec, User,
};

use crate::{ContainerError, host_mount::Subpaths, record::Record, shared_memory::SharedMemory};

pub use mount::HostFiles;

/// The version of the runtime specification that is written.
const OCI_VERSION: &str = "1.2.0";
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a record does not hold.
pub struct Inputs<'a> {
    /// The container.
    pub record: &'a Record,
    /// Resolved with the container's accounts.
    pub user: User,
    /// Files that are bound over `/etc/hosts` and so on.
    pub files: HostFiles<'a>,
    /// `/PARENT/ID` below every hierarchy.
    pub cgroup_path: String,
    /// Whether only cgroup v2 is mounted, which makes a private cgroup namespace the default.
    pub is_cgroup_v2: bool,
    /// Namespaces that are joined by descriptor or shared with the host.
    pub namespaces: NamespacePlan,
    /// Where `/dev/shm` comes from.
    pub shm: SharedMemory,
    /// Where parts of volumes are found.
    pub subpaths: Subpaths,
}

/// Which namespaces a container makes for itself; the others are the host's or joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespacePlan {
    /// Network: `Own` means that a descriptor is handed over.
    pub network: Origin,
    /// Processes.
    pub pid: Origin,
    /// System V IPC and POSIX message queues.
    pub ipc: Origin,
    /// Host name.
    pub uts: Origin,
}

/// Where a namespace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A new one, or one given by descriptor.
    Own,
    /// The engine's.
    Host,
}

/// Builds the configuration.
///
/// # Errors
/// [`ContainerError::Invalid`] names the option that cannot be met.
pub fn build(inputs: &Inputs<'_>) -> Result<Spec, ContainerError> {
    let (record, host) = (inputs.record, &inputs.record.host_config);
    let (devices, rules) = device::plan(host)?;
    let resources = resource::limits(&host.resources, rules)?;
    let hostname = (inputs.namespaces.uts == Origin::Own).then(|| record.config.hostname.clone());
    let domainname = (inputs.namespaces.uts == Origin::Own && !record.config.domainname.is_empty())
        .then(|| record.config.domainname.clone());
    Ok(Spec {
        oci_version: OCI_VERSION.to_owned(),
        process: Some(process(inputs)?),
        root: Some(Root { path: "rootfs".into(), readonly: host.readonly_rootfs }),
        hostname,
        domainname,
        mounts: mount::all(inputs)?,
        hooks: None,
        annotations: host.annotations.clone(),
        linux: Some(linux(inputs, devices, resources)),
    })
}

/// Init's process, also the model for exec's.
fn process(inputs: &Inputs<'_>) -> Result<Process, ContainerError> {
    let (config, host) = (&inputs.record.config, &inputs.record.host_config);
    let set = capability::effective(
        host.cap_add.as_deref().unwrap_or_default(),
        host.cap_drop.as_deref().unwrap_or_default(),
        host.privileged,
    )?;
    let options = security::Options::parse(host.security_opt.as_deref().unwrap_or_default())?;
    let rlimits = host.resources.ulimits.iter().flatten().map(resource::rlimit);
    Ok(Process {
        terminal: config.tty,
        console_size: console_size(host.console_size),
        args: inputs.record.command.clone(),
        env: environment(config.env.as_deref().unwrap_or_default(), config.tty, &config.hostname),
        cwd: if config.working_dir.is_empty() { "/".into() } else { config.working_dir.clone() },
        capabilities: Some(capability_sets(set, &inputs.user)),
        user: inputs.user.clone(),
        rlimits: rlimits.collect::<Result<_, _>>()?,
        no_new_privileges: options.no_new_privileges,
        oom_score_adj: Some(i32::try_from(host.oom_score_adj).unwrap_or_default()),
        ..Process::default()
    })
}

/// Height and width as the API has them; zero means unknown.
pub(crate) fn console_size([height, width]: [u32; 2]) -> Option<ConsoleSize> {
    let cells = |n: u32| u16::try_from(n).ok().filter(|n| *n > 0);
    Some(ConsoleSize { height: cells(height)?, width: cells(width)? })
}

/// The caller's environment over the engine's defaults; a name without `=` is removed.
pub(crate) fn environment(wanted: &[String], has_terminal: bool, hostname: &str) -> Vec<String> {
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if has_terminal {
        env.push("TERM=xterm".to_owned());
    }
    override_environment(&mut env, wanted);
    env
}

/// Replaces variables of the same name in place, appends new ones.
pub(crate) fn override_environment(env: &mut Vec<String>, wanted: &[String]) {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    for entry in wanted {
        let position = env.iter().position(|existing| name(existing) == name(entry));
        match (entry.contains('='), position) {
            (true, Some(at)) => env[at].clone_from(entry),
            (true, None) => env.push(entry.clone()),
            (false, Some(at)) => drop(env.remove(at)),
            (false, None) => {}
        }
    }
}

/// Root has the whole set; another user has it as a bound only, as in Docker since 20.10
/// (inheritable stays empty: CVE-2022-24769).
pub(crate) fn capability_sets(set: Vec<String>, user: &User) -> Capabilities {
    let active = if user.uid == 0 { set.clone() } else { Vec::new() };
    Capabilities {
        bounding: set,
        effective: active.clone(),
        permitted: active,
        ..Capabilities::default()
    }
}

fn linux(
    inputs: &Inputs<'_>,
    devices: Vec<oci::runtime::Device>,
    resources: LinuxResources,
) -> Linux {
    let host = &inputs.record.host_config;
    let paths = |asked: &Option<Vec<String>>, default: &[&str]| match (asked, host.privileged) {
        (Some(paths), _) => paths.clone(),
        (None, true) => Vec::new(),
        (None, false) => default.iter().map(|path| (*path).to_owned()).collect(),
    };
    Linux {
        sysctl: host.sysctls.clone(),
        resources: Some(resources),
        cgroups_path: Some(inputs.cgroup_path.clone()),
        namespaces: namespaces(inputs),
        devices,
        masked_paths: paths(&host.masked_paths, security::MASKED_PATHS),
        readonly_paths: paths(&host.readonly_paths, security::READONLY_PATHS),
        rootfs_propagation: mount::root_propagation(inputs.record),
        ..Linux::default()
    }
}

fn namespaces(inputs: &Inputs<'_>) -> Vec<Namespace> {
    let plan = inputs.namespaces;
    let mut kinds = vec!["mount"];
    for (origin, kind) in
        [(plan.network, "network"), (plan.uts, "uts"), (plan.pid, "pid"), (plan.ipc, "ipc")]
    {
        if origin == Origin::Own {
            kinds.push(kind);
        }
    }
    let mode = inputs.record.host_config.cgroupns_mode.as_str();
    if mode == "private" || (mode.is_empty() && inputs.is_cgroup_v2) {
        kinds.push("cgroup");
    }
    kinds.into_iter().map(|kind| Namespace { kind: kind.to_owned(), path: None }).collect()
}

/// Whether a path is below another, by components.
#[must_use]
pub(crate) fn is_below(path: &str, parent: &str) -> bool {
    Path::new(path).starts_with(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_overrides_in_place_and_removes() {
        let wanted = ["PATH=/bin".to_owned(), "A=1".to_owned(), "HOSTNAME".to_owned()];
        assert_eq!(environment(&wanted, false, "h"), ["PATH=/bin", "A=1"]);
        assert!(environment(&[], true, "h").contains(&"TERM=xterm".to_owned()));
    }

    #[test]
    fn only_root_has_active_capabilities() {
        let set = vec!["CAP_CHOWN".to_owned()];
        let user = User { uid: 1000, ..User::default() };
        let sets = capability_sets(set.clone(), &user);
        assert_eq!((sets.bounding.len(), sets.effective.len()), (1, 0));
        assert!(capability_sets(set, &User::default()).inheritable.is_empty());
    }
}
