//! What the engine's configuration says about containers.

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use engine_api::host_config::{LogConfig, Ulimit};

use crate::{ContainerError, FavorDynmods};

/// Settings of the container service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `DATA_ROOT/containers`.
    pub data_dir: PathBuf,
    /// `EXEC_ROOT`.
    pub exec_dir: PathBuf,
    /// `gantry-shim`.
    pub shim_binary: PathBuf,
    /// `gantry-logger`, which sends logs and compresses them.
    pub logger_binary: PathBuf,
    /// The init of `--init`, if one is installed.
    pub init_binary: Option<PathBuf>,
    /// Below every cgroup hierarchy, e.g. `/gantry`.
    pub cgroup_parent: String,
    /// Whether moves between cgroups are made cheap for the whole host.
    pub favor_dynmods: FavorDynmods,
    /// Name of the runtime for containers that name none.
    pub default_runtime: String,
    /// External runtimes by name.
    pub runtimes: BTreeMap<String, RuntimeSetting>,
    /// Log driver and options for containers that name none.
    pub log: LogConfig,
    /// Limits for containers that set none.
    pub ulimits: Vec<Ulimit>,
    /// Bytes; 0: 64 MiB.
    pub shm_size_bytes: i64,
    /// Whether `--init` is the default.
    pub has_init: bool,
    /// Whether `no-new-privileges` is the default.
    pub no_new_privileges: bool,
    /// Default seccomp policy.
    pub seccomp: DefaultSeccomp,
    /// Name servers, search domains, options for containers that set none.
    pub dns: DnsSettings,
}

/// The name that means Gantry's own runtime, in-process.
pub const NATIVE_RUNTIME: &str = "gantry";

/// An external OCI runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSetting {
    /// Executable: absolute path, or a name looked up in `PATH`.
    pub path: PathBuf,
    /// Arguments before the subcommand.
    pub args: Vec<String>,
}

/// Which policy containers get unless they ask otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DefaultSeccomp {
    /// Docker's.
    #[default]
    Builtin,
    /// None.
    Unconfined,
    /// A file's content.
    Document(String),
}

/// Resolver settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsSettings {
    /// Addresses.
    pub servers: Vec<String>,
    /// Domains.
    pub search: Vec<String>,
    /// `options` of resolv.conf(5).
    pub options: Vec<String>,
}

impl Settings {
    pub(crate) fn make_directories(&self) -> Result<(), ContainerError> {
        make_dir(&self.data_dir, 0o710)?;
        make_dir(&self.exec_dir, 0o711)?;
        make_dir(&self.exec_dir.join("shims"), 0o700)
    }
}

/// Makes a directory and its parents; an existing one stays as it is.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), ContainerError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|source| {
        ContainerError::File { action: "create directory", path: path.to_owned(), source }
    })
}

/// Makes a missing bind source as a directory; an existing path of any type stays as it is.
pub(crate) fn make_dir_if_absent(path: &Path) -> Result<(), ContainerError> {
    if path.symlink_metadata().is_ok() { Ok(()) } else { make_dir(path, 0o755) }
}
