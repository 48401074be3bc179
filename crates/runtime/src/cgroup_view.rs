//! The cgroup tree as a container sees it.
//!
//! With a cgroup namespace the hierarchies are mounted anew (their root is then the container's
//! own cgroup); without one, the container's directories are bound from the host.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};

use crate::{
    cgroup::{Cgroup, Hierarchy},
    error::RuntimeError,
    mount_options::Bind,
    mount_plan::{PlannedMount, new_filesystem},
    rootfs::configure,
    tree::{self, Tree},
};

/// One hierarchy to show.
#[derive(Debug)]
struct Part {
    hierarchy: Hierarchy,
    /// A copy of the mount of the container's directory, without a cgroup namespace.
    bind: Option<OwnedFd>,
}

/// All hierarchies.
#[derive(Debug)]
pub(crate) struct CgroupView {
    parts: Vec<Part>,
}

impl CgroupView {
    /// Creator: opens what must be opened on the host.
    pub(crate) fn plan(cgroup: &Cgroup, has_namespace: bool) -> Result<Self, RuntimeError> {
        let mut parts = Vec::new();
        for (hierarchy, directory) in cgroup.hierarchies() {
            let bind = if has_namespace {
                None
            } else {
                let fail = |e| RuntimeError::system("open cgroup", directory.display(), e);
                let fd = rustix::fs::openat(
                    CWD,
                    directory.as_path(),
                    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                    Mode::empty(),
                )
                .map_err(fail)?;
                Some(tree::clone_mount(fd.as_fd(), Bind::One).map_err(fail)?)
            };
            parts.push(Part { hierarchy: hierarchy.clone(), bind });
        }
        Ok(Self { parts })
    }

    /// For a container that mounts no cgroups.
    pub(crate) fn empty() -> Self {
        Self { parts: Vec::new() }
    }

    /// Child: attaches it. Must be in its cgroups and cgroup namespace already.
    pub(crate) fn attach(&self, tree: &Tree, mount: &PlannedMount) -> Result<(), RuntimeError> {
        let has_v1 = self.parts.iter().any(|p| !p.hierarchy.is_unified());
        if has_v1 { self.attach_v1(tree, mount) } else { self.attach_v2(tree, mount) }
    }

    fn attach_v2(&self, tree: &Tree, mount: &PlannedMount) -> Result<(), RuntimeError> {
        let Some(part) = self.parts.first() else { return Ok(()) };
        let target =
            tree.make_directory(&mount.destination).map_err(mount.fail("create mountpoint"))?;
        let fd = part.open(mount)?;
        configure(mount, fd.as_fd())?;
        tree::attach(fd.as_fd(), target.as_fd()).map_err(mount.fail("attach"))
    }

    /// A tmpfs with one directory for each hierarchy, and links for controllers that share one.
    fn attach_v1(&self, tree: &Tree, mount: &PlannedMount) -> Result<(), RuntimeError> {
        let target =
            tree.make_directory(&mount.destination).map_err(mount.fail("create mountpoint"))?;
        let mode = ("mode".to_owned(), Some("755".to_owned()));
        let base = new_filesystem("tmpfs", "tmpfs", &[mode]).map_err(mount.fail("create"))?;
        tree::attach(base.as_fd(), target.as_fd()).map_err(mount.fail("attach"))?;
        for part in self.parts.iter().filter(|p| !p.hierarchy.is_unified()) {
            let name = part.hierarchy.directory_name();
            rustix::fs::mkdirat(&base, name, Mode::from_raw_mode(0o755))
                .map_err(mount.fail("make directory"))?;
            let path = format!("{}/{name}", mount.destination.trim_end_matches('/'));
            let place = tree.find(&path).map_err(mount.fail("find"))?;
            let fd = part.open(mount)?;
            configure(mount, fd.as_fd())?;
            tree::attach(fd.as_fd(), place.as_fd()).map_err(mount.fail("attach"))?;
            for controller in part.hierarchy.controllers() {
                if controller != name {
                    rustix::fs::symlinkat(name, &base, controller.as_str())
                        .map_err(mount.fail("link"))?;
                }
            }
        }
        configure(mount, base.as_fd())
    }
}

impl Part {
    fn open(&self, mount: &PlannedMount) -> Result<OwnedFd, RuntimeError> {
        if let Some(bind) = &self.bind {
            return bind.try_clone().map_err(mount.fail("duplicate"));
        }
        let kind = if self.hierarchy.is_unified() { "cgroup2" } else { "cgroup" };
        let data: Vec<_> = self.hierarchy.mount_data();
        new_filesystem(kind, "cgroup", &data).map_err(mount.fail("create"))
    }
}
