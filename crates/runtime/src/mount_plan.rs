//! Mounts as the creator prepares them: sources opened on the host's side, before the clone.
//!
//! A bind source becomes a detached copy of its mount at once. The child only attaches it, so it
//! needs neither the host's paths nor (in a user namespace) permission to walk them, and a source
//! that is replaced meanwhile changes nothing.

use std::os::fd::{AsFd, OwnedFd};

use oci::runtime::{Mount, Spec};
use rustix::{
    fs::{CWD, FileType, Mode, OFlags},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    },
};
use sys::mount::{Attributes, Scope, map_ids, set_attributes};
use types::RootFilesystem;

use crate::{
    error::{Errno, RuntimeError},
    id_map::{IdMaps, Owners},
    mount_options::{self, Bind, Options},
    tree,
};

/// Where a mount comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A detached copy of a host mount.
    Bind {
        /// The copy.
        mount: OwnedFd,
        /// Whether its root is a directory.
        is_directory: bool,
    },
    /// A new file system of the kind.
    New {
        /// File system type.
        kind: String,
    },
    /// The container's view of the cgroup tree.
    Cgroup,
}

/// One mount to attach.
#[derive(Debug)]
pub(crate) struct PlannedMount {
    pub(crate) origin: Origin,
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) options: Options,
}

impl PlannedMount {
    /// Turns a kernel error of one step into the mount's error.
    pub(crate) fn fail<E: Into<Errno>>(
        &self,
        step: &'static str,
    ) -> impl FnOnce(E) -> RuntimeError {
        let (origin, destination) = (self.source.clone(), self.destination.clone());
        move |e| RuntimeError::Mount { origin, destination, step, source: e.into() }
    }

    fn new(
        mount: &Mount,
        default_propagation: (u64, Scope),
        maps: &IdMaps,
    ) -> Result<Self, RuntimeError> {
        if !mount.destination.starts_with('/') && mount.destination.is_empty() {
            return Err(RuntimeError::field("mounts.destination", "", "must not be empty"));
        }
        if mount.destination.trim_matches('/').is_empty() {
            return Err(RuntimeError::field("mounts.destination", "/", "is the root itself"));
        }
        let mut options = Options::parse(mount)?;
        let kind = mount.kind.clone().unwrap_or_default();
        let mut planned = Self {
            origin: Origin::New { kind: kind.clone() },
            source: mount.source.clone().unwrap_or_else(|| kind.clone()),
            destination: mount.destination.clone(),
            options: Options::default(),
        };
        if let Some(reach) = options.bind {
            if options.propagation.is_empty() {
                options.propagation.push(default_propagation);
            }
            planned.origin = planned.open_source(reach)?;
            if let (Some(scope), Origin::Bind { mount: copy, .. }) =
                (options.id_map, &planned.origin)
            {
                let mappings = maps.of_mount(mount)?;
                map_ids(copy.as_fd(), scope, mappings.as_fd()).map_err(planned.fail("map ids"))?;
            }
        } else if kind == "cgroup" || kind == "cgroup2" {
            planned.origin = Origin::Cgroup;
        }
        planned.options = options;
        Ok(planned)
    }

    fn open_source(&self, reach: Bind) -> Result<Origin, RuntimeError> {
        let source = rustix::fs::openat(
            CWD,
            self.source.as_str(),
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(self.fail("open source"))?;
        let stat = rustix::fs::fstat(&source).map_err(self.fail("stat source"))?;
        let mount =
            tree::clone_mount(source.as_fd(), reach).map_err(self.fail("copy source mount"))?;
        Ok(Origin::Bind {
            mount,
            is_directory: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
        })
    }
}

/// All mounts of the configuration, in order.
pub(crate) fn plan(
    spec: &Spec,
    root: &RootPlan,
    maps: &IdMaps,
) -> Result<Vec<PlannedMount>, RuntimeError> {
    spec.mounts.iter().map(|m| PlannedMount::new(m, root.bind_propagation(), maps)).collect()
}

/// The init helper, bound read-only where Docker has it.
pub(crate) fn init_mount(path: &std::path::Path) -> Mount {
    Mount {
        destination: INIT_DESTINATION.to_owned(),
        kind: Some("bind".to_owned()),
        source: Some(path.to_string_lossy().into_owned()),
        options: vec!["bind".to_owned(), "ro".to_owned()],
        ..Mount::default()
    }
}

/// The init helper's mount, opened.
pub(crate) fn plan_init_binary(
    path: &std::path::Path,
    maps: &IdMaps,
) -> Result<PlannedMount, RuntimeError> {
    PlannedMount::new(&init_mount(path), (libc::MS_PRIVATE, Scope::Mount), maps)
}

/// Where Docker's init helper is in a container.
pub(crate) const INIT_DESTINATION: &str = "/sbin/docker-init";

/// The root, mounted but attached nowhere.
#[derive(Debug)]
pub(crate) struct RootPlan {
    pub(crate) mount: OwnedFd,
    pub(crate) is_readonly: bool,
    pub(crate) propagation: Option<(u64, Scope)>,
}

impl RootPlan {
    /// Mounts it, with its owners mapped if there are mappings.
    pub(crate) fn new(
        spec: &Spec,
        root: &RootFilesystem,
        owners: Option<&Owners>,
    ) -> Result<Self, RuntimeError> {
        let text = spec.linux.as_ref().and_then(|l| l.rootfs_propagation.as_deref());
        Ok(Self {
            mount: mount_root(root, owners)?,
            is_readonly: spec.root.as_ref().is_some_and(|r| r.readonly),
            propagation: mount_options::root_propagation(text)?,
        })
    }

    /// What a bind mount without an option of its own gets: mounts that appear on the host are
    /// seen (as with runc, whose namespace is a slave of the host's), never the other way round.
    fn bind_propagation(&self) -> (u64, Scope) {
        match self.propagation {
            Some((libc::MS_PRIVATE, scope)) => (libc::MS_PRIVATE, scope),
            _ => (libc::MS_SLAVE, Scope::Tree),
        }
    }
}

fn mount_root(root: &RootFilesystem, owners: Option<&Owners>) -> Result<OwnedFd, RuntimeError> {
    match root {
        RootFilesystem::Directory { path } => {
            let fail = |e| RuntimeError::system("open root", path.display(), e);
            let directory = rustix::fs::openat(
                CWD,
                path,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(fail)?;
            let mount = tree::clone_mount(directory.as_fd(), Bind::Tree).map_err(fail)?;
            isolate(&mount)?;
            if let Some(owners) = owners {
                map_ids(mount.as_fd(), Scope::Mount, owners.mappings.as_fd())
                    .map_err(|e| RuntimeError::system("map ids of root", path.display(), e))?;
            }
            Ok(mount)
        }
        RootFilesystem::Overlay { lower, upper, work, is_volatile } => {
            let upper = match (upper, work) {
                (Some(upper), Some(work)) => Some((upper.as_path(), work.as_path())),
                (None, _) => None,
                (Some(upper), None) => {
                    return Err(RuntimeError::field(
                        "rootfs.upper",
                        upper.display(),
                        "needs a work directory",
                    ));
                }
            };
            // overlayfs wants an upper or two lower directories; a single one is its own view.
            if let (None, [only]) = (upper, lower.as_slice()) {
                return mount_root(&RootFilesystem::Directory { path: only.clone() }, owners);
            }
            let (upper, work) = upper.unzip();
            let is_volatile = *is_volatile;
            let overlay = sys::overlay::Overlay { lower, upper, work, is_volatile };
            match owners {
                None => sys::overlay::mount(&overlay),
                Some(Owners { mappings, root: (root_uid, root_gid) }) => {
                    let (root_uid, root_gid) = (*root_uid, *root_gid);
                    let mappings = mappings.as_fd();
                    let owners = sys::mapped_overlay::Owners { mappings, root_uid, root_gid };
                    sys::mapped_overlay::mount(&overlay, owners)
                }
            }
            .map_err(|e| RuntimeError::system("mount", "overlay", e))
        }
    }
}

/// Cuts a copied mount off from the host's peer groups: what is mounted below it is the
/// container's own affair.
fn isolate(mount: &OwnedFd) -> Result<(), RuntimeError> {
    let private = Attributes { propagation: libc::MS_PRIVATE, ..Attributes::default() };
    set_attributes(mount.as_fd(), Scope::Tree, &private)
        .map_err(|e| RuntimeError::system("make private", "root", e))
}

/// A new file system, attached nowhere.
pub(crate) fn new_filesystem(
    kind: &str,
    source: &str,
    data: &[(String, Option<String>)],
) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    if !source.is_empty() {
        fsconfig_set_string(&fs, "source", source)?;
    }
    for (key, value) in data {
        match value {
            Some(value) => fsconfig_set_string(&fs, key.as_str(), value.as_str())?,
            None => fsconfig_set_flag(&fs, key.as_str())?,
        }
    }
    fsconfig_create(&fs)?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}
