//! The child's part of the root: attaching, filling and entering it.
//!
//! Everything is attached before the root is entered, through descriptors of the new root; the
//! host's tree is needed for nothing but `/dev/null` (to mask files) and goes away as a whole.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags},
    io::Errno,
};
use sys::mount::{Attributes, Scope, set_attributes};

use crate::{
    cgroup_view::CgroupView,
    device::{self, PlannedDevice},
    entry::Entry,
    error::RuntimeError,
    mount_options::Bind,
    mount_plan::{Origin, PlannedMount, RootPlan, new_filesystem},
    proc_cover,
    renewal::Renewal,
    tree::{self, Tree},
};

/// What fills the root.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) root: RootPlan,
    pub(crate) entry: Entry,
    pub(crate) mounts: Vec<PlannedMount>,
    pub(crate) devices: Vec<PlannedDevice>,
    pub(crate) masked: Vec<String>,
    pub(crate) readonly: Vec<String>,
    pub(crate) cgroups: CgroupView,
}

impl Contents {
    /// Attaches the root and all mounts that do not show cgroups. The mode mask must be 0.
    pub(crate) fn assemble(self, process: &Setting<'_>) -> Result<Assembled, RuntimeError> {
        let Self { root, entry, mounts, devices, masked, readonly, cgroups } = self;
        let null = NullDevice::open()?;
        entry.attach(root.mount.as_fd())?;
        let tree = Tree::new(root.mount);
        let has_own_dev = mounts
            .iter()
            .any(|m| m.destination.trim_end_matches('/') == "/dev" && m.options.bind.is_some());
        let renewal = Renewal::new(&entry, process.host_proc);
        let mut later = Vec::new();
        let mut mounts = mounts.into_iter();
        for mount in mounts.by_ref() {
            if matches!(mount.origin, Origin::Cgroup) {
                // It and what may lie over it wait until the process is in its cgroups.
                later.push(mount);
                break;
            }
            attach_mount(&tree, &mount, &renewal)?;
        }
        later.extend(mounts);
        if !has_own_dev {
            device::make_all(&tree, &devices)?;
        }
        tree.make_directory(process.cwd)
            .map_err(|e| RuntimeError::system("mkdir", process.cwd, e))?;
        Ok(Assembled {
            tree,
            entry,
            null,
            later,
            renewal,
            masked,
            readonly,
            cgroups,
            is_readonly: root.is_readonly,
            propagation: root.propagation,
        })
    }
}

/// What the root has to know of the process that it is for.
pub(crate) struct Setting<'a> {
    pub(crate) cwd: &'a str,
    /// The host's procfs.
    pub(crate) host_proc: BorrowedFd<'a>,
}

/// A root that lacks its cgroup views and its covers.
pub(crate) struct Assembled {
    tree: Tree,
    entry: Entry,
    null: NullDevice,
    later: Vec<PlannedMount>,
    renewal: Renewal,
    masked: Vec<String>,
    readonly: Vec<String>,
    cgroups: CgroupView,
    is_readonly: bool,
    propagation: Option<(u64, Scope)>,
}

impl Assembled {
    /// The container's tree.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Attaches the rest; then nothing of the root is open to change but what should be.
    pub(crate) fn finish(&self) -> Result<(), RuntimeError> {
        for mount in &self.later {
            if matches!(mount.origin, Origin::Cgroup) {
                self.renewal.note_new();
                self.cgroups.attach(&self.tree, mount)?;
            } else {
                attach_mount(&self.tree, mount, &self.renewal)?;
            }
        }
        for path in &self.readonly {
            self.make_readonly(path)
                .map_err(|e| RuntimeError::system("make read-only", path, e))?;
        }
        let null = self.find_null();
        let mut empty = None;
        for path in &self.masked {
            self.mask(path, null.as_ref().unwrap_or(&self.null), &mut empty)
                .map_err(|e| RuntimeError::system("mask", path, e))?;
        }
        if self.is_readonly {
            let attributes = Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() };
            set_attributes(self.tree.root(), Scope::Mount, &attributes)
                .map_err(|e| RuntimeError::system("make read-only", "root", e))?;
        }
        Ok(())
    }

    fn make_readonly(&self, path: &str) -> Result<(), std::io::Error> {
        let target = match self.tree.find(path) {
            Err(Errno::NOENT) => return Ok(()),
            result => result?,
        };
        let mount = tree::clone_mount(target.as_fd(), Bind::Tree)?;
        let attributes = Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() };
        set_attributes(mount.as_fd(), Scope::Mount, &attributes)?;
        Ok(tree::attach(mount.as_fd(), target.as_fd())?)
    }

    /// The container's own null device, if it has one that is one.
    fn find_null(&self) -> Option<NullDevice> {
        self.tree.find_plain("/dev/null").ok().and_then(|fd| NullDevice::check(fd).ok())
    }

    /// Covers a directory with an empty read-only one, anything else with `/dev/null`.
    fn mask(
        &self,
        path: &str,
        null: &NullDevice,
        empty: &mut Option<OwnedFd>,
    ) -> Result<(), std::io::Error> {
        let target = match self.tree.find(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            result => result?,
        };
        let stat = rustix::fs::fstat(&target)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let cover = tree::clone_mount(null.0.as_fd(), Bind::One)?;
            return Ok(tree::attach(cover.as_fd(), target.as_fd())?);
        }
        // One empty file system serves for all: the first attached one is copied.
        if let Some(first) = empty {
            let cover = tree::clone_mount(first.as_fd(), Bind::One)?;
            return Ok(tree::attach(cover.as_fd(), target.as_fd())?);
        }
        let cover = new_filesystem("tmpfs", "tmpfs", &[])?;
        let attributes = Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() };
        set_attributes(cover.as_fd(), Scope::Mount, &attributes)?;
        tree::attach(cover.as_fd(), target.as_fd())?;
        *empty = Some(cover);
        Ok(())
    }

    /// Makes it `/`, and drops the host's tree.
    pub(crate) fn enter(self) -> Result<(), RuntimeError> {
        self.entry.enter(&self.tree)?;
        if let Some((propagation, scope)) = self.propagation {
            let attributes = Attributes { propagation, ..Attributes::default() };
            set_attributes(self.tree.root(), scope, &attributes)
                .map_err(|e| RuntimeError::system("set propagation of", "root", e))?;
        }
        Ok(())
    }
}

/// A null device, checked to be it: a container that could swap it would get its masked files
/// replaced by something of its choice (CVE-2025-31133). What is checked is what is mounted.
struct NullDevice(OwnedFd);

impl NullDevice {
    fn open() -> Result<Self, RuntimeError> {
        let fail = |e| RuntimeError::system("open", "/dev/null", e);
        let fd = rustix::fs::openat(
            CWD,
            "/dev/null",
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(fail)?;
        Self::check(fd).map_err(fail)
    }

    fn check(fd: OwnedFd) -> Result<Self, Errno> {
        let stat = rustix::fs::fstat(&fd)?;
        let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && stat.st_rdev == rustix::fs::makedev(1, 3);
        if is_null { Ok(Self(fd)) } else { Err(Errno::NXIO) }
    }
}

fn attach_mount(tree: &Tree, mount: &PlannedMount, renewal: &Renewal) -> Result<(), RuntimeError> {
    match &mount.origin {
        Origin::Bind { mount: copy, is_directory } => {
            let target = if *is_directory {
                tree.make_directory(&mount.destination)
            } else {
                tree.make_file(&mount.destination)
            }
            .map_err(mount.fail("create mountpoint"))?;
            proc_cover::check(mount, copy.as_fd(), target.as_fd())?;
            let renewed =
                renewal.renew(copy.as_fd(), target.as_fd()).map_err(mount.fail("renew"))?;
            let copy = renewed.as_ref().unwrap_or(copy);
            configure(mount, copy.as_fd())?;
            tree::attach(copy.as_fd(), target.as_fd()).map_err(mount.fail("attach"))
        }
        Origin::New { kind } => {
            let target = directory_for(tree, mount, kind)?;
            let data = filesystem_data(mount, kind, target.as_fd())?;
            let fs = new_filesystem(kind, &mount.source, &data).map_err(mount.fail("create"))?;
            proc_cover::check(mount, fs.as_fd(), target.as_fd())?;
            if mount.options.copy_up {
                crate::copy_up::copy(tree, &mount.destination, fs.as_fd())
                    .map_err(mount.fail("copy up"))?;
            }
            configure(mount, fs.as_fd())?;
            renewal.note_new();
            tree::attach(fs.as_fd(), target.as_fd()).map_err(mount.fail("attach"))
        }
        Origin::Cgroup => Ok(()),
    }
}

/// procfs and sysfs go to ordinary directories only: over a symbolic link an image could have
/// them appear elsewhere and keep a forged one at the usual place (CVE-2019-19921).
fn directory_for(tree: &Tree, mount: &PlannedMount, kind: &str) -> Result<OwnedFd, RuntimeError> {
    let directory =
        tree.make_directory(&mount.destination).map_err(mount.fail("create mountpoint"))?;
    if matches!(kind, "proc" | "sysfs") {
        return tree
            .find_plain(&mount.destination)
            .map_err(mount.fail("must be mounted on ordinary directory"));
    }
    Ok(directory)
}

/// The options for the file system: a tmpfs without a mode takes that of the directory it hides.
fn filesystem_data(
    mount: &PlannedMount,
    kind: &str,
    target: BorrowedFd<'_>,
) -> Result<Vec<(String, Option<String>)>, RuntimeError> {
    let mut data = mount.options.data.clone();
    if kind == "tmpfs" && !mount.options.has_data("mode") {
        let stat = rustix::fs::fstat(target).map_err(mount.fail("stat mountpoint"))?;
        data.push(("mode".to_owned(), Some(format!("{:o}", stat.st_mode & 0o7777))));
    }
    Ok(data)
}

/// Applies the options that act on the mount, while nobody can see it yet.
pub(crate) fn configure(mount: &PlannedMount, fd: BorrowedFd<'_>) -> Result<(), RuntimeError> {
    let options = &mount.options;
    for (attributes, scope) in
        [(&options.tree_attributes, Scope::Tree), (&options.attributes, Scope::Mount)]
    {
        if !attributes.is_empty() {
            set_attributes(fd, scope, attributes).map_err(mount.fail("set options"))?;
        }
    }
    for (propagation, scope) in &options.propagation {
        let attributes = Attributes { propagation: *propagation, ..Attributes::default() };
        set_attributes(fd, *scope, &attributes).map_err(mount.fail("set propagation"))?;
    }
    Ok(())
}
