//! How a container's root becomes `/`.
//!
//! In a mount namespace of its own the root is attached somewhere in the copy of the host's tree,
//! filled, and entered by `pivot_root`, which leaves nothing of the host's tree. `--no-pivot`
//! moves it over `/` instead, for roots that cannot be pivoted from (an initial ramdisk). A
//! container without a mount namespace gets its root attached at its place on the host and is
//! confined by `chroot` alone, as the specification leaves nothing else; [`HostRoot`] is then how
//! the mounts are found again and removed.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, StatxFlags},
    mount::UnmountFlags,
};
use serde::{Deserialize, Serialize};
use sys::mount::{Attributes, Scope, set_attributes};
use types::RootFilesystem;

use crate::{
    error::RuntimeError,
    namespace::{NamespaceKind, Namespaces},
    tree::{self, Tree},
};

/// A directory that exists on every host and that nothing here looks below any more once the
/// root is attached over it.
const ATTACH_POINT: &str = "/proc";

/// How the root of a container with a mount namespace becomes `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootChange {
    /// By `pivot_root`.
    #[default]
    Pivot,
    /// By moving it over `/`, then `chroot`: less safe, for a root on an initial ramdisk.
    Move,
}

/// The way that was chosen.
#[derive(Debug)]
pub(crate) enum Entry {
    Own(RootChange),
    /// In the creator's mount namespace, at this directory.
    Host(OwnedFd),
}

impl Entry {
    /// Chooses it.
    pub(crate) fn plan(
        namespaces: &Namespaces,
        change: RootChange,
        root: &RootFilesystem,
    ) -> Result<Self, RuntimeError> {
        if namespaces.is_own(NamespaceKind::Mount) {
            return Ok(Self::Own(change));
        }
        let path = host_directory(root)?;
        open_directory(path).map(Self::Host)
    }

    /// Whether the container has its mounts for itself.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Cuts a new mount namespace off from the host's: nothing done in it is seen there.
    pub(crate) fn isolate(&self) -> Result<(), RuntimeError> {
        if !self.is_own() {
            return Ok(());
        }
        let root = open_directory(Path::new("/"))?;
        let slave = Attributes { propagation: libc::MS_SLAVE, ..Attributes::default() };
        set_attributes(root.as_fd(), Scope::Tree, &slave)
            .map_err(|e| RuntimeError::system("make slave", "/", e))
    }

    /// Attaches the root where it is filled.
    pub(crate) fn attach(&self, root: BorrowedFd<'_>) -> Result<(), RuntimeError> {
        let own;
        let point = match self {
            Self::Own(change) => {
                if *change == RootChange::Move {
                    drop_kernel_views()?;
                }
                own = open_directory(Path::new(ATTACH_POINT))?;
                &own
            }
            Self::Host(point) => point,
        };
        tree::attach(root, point.as_fd()).map_err(|e| RuntimeError::system("attach", "root", e))
    }

    /// Makes it `/`.
    pub(crate) fn enter(&self, tree: &Tree) -> Result<(), RuntimeError> {
        let fail = |operation| move |e| RuntimeError::system(operation, "root", e);
        rustix::process::fchdir(tree.root()).map_err(fail("enter"))?;
        match self {
            Self::Own(RootChange::Pivot) => {
                rustix::process::pivot_root(".", ".").map_err(fail("pivot to"))?;
                // The old root now lies over the new one; "." is the upper of the two.
                rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(fail("detach old"))?;
            }
            Self::Own(RootChange::Move) => {
                let root = open_directory(Path::new("/"))?;
                tree::attach(tree.root(), root.as_fd()).map_err(fail("move"))?;
                rustix::process::chroot(".").map_err(fail("change"))?;
            }
            Self::Host(_) => rustix::process::chroot(".").map_err(fail("change"))?,
        }
        rustix::process::chdir("/").map_err(fail("enter new"))
    }
}

fn host_directory(root: &RootFilesystem) -> Result<&Path, RuntimeError> {
    match root {
        RootFilesystem::Directory { path } => Ok(path),
        RootFilesystem::Overlay { .. } => Err(RuntimeError::field(
            "linux.namespaces",
            "mount",
            "an overlay as root needs a mount namespace",
        )),
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd, RuntimeError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|e| RuntimeError::system("open", path.display(), e))
}

/// Takes the host's procfs and sysfs out of the copied tree: after a move that tree is still
/// there below the container's root, and a process that found a way to it could write to them.
fn drop_kernel_views() -> Result<(), RuntimeError> {
    let table = "/proc/self/mountinfo";
    let text =
        std::fs::read_to_string(table).map_err(|e| RuntimeError::system("read", table, e))?;
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let is_view = matches!(right.split(' ').next(), Some("proc" | "sysfs"));
        let Some(point) = left.split(' ').nth(4).filter(|_| is_view) else { continue };
        match rustix::mount::unmount(point, UnmountFlags::DETACH) {
            // Gone with a mount above it.
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            // Locked, in a user namespace: hidden.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) => hide(point)?,
            Err(e) => return Err(RuntimeError::system("unmount", point, e)),
        }
    }
    Ok(())
}

fn hide(point: &str) -> Result<(), RuntimeError> {
    let fail = |e| RuntimeError::system("hide", point, e);
    let place = match rustix::fs::open(point, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        result => result.map_err(fail)?,
    };
    let empty = crate::mount_plan::new_filesystem("tmpfs", "tmpfs", &[]).map_err(fail)?;
    tree::attach(empty.as_fd(), place.as_fd()).map_err(fail)
}

/// A root that is attached in the mount namespace of the caller, which has to remove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoot {
    path: PathBuf,
    mount: u64,
}

impl HostRoot {
    /// What is mounted at `path` now.
    ///
    /// # Errors
    /// When `path` cannot be looked up.
    pub fn at(path: &Path) -> Result<Self, RuntimeError> {
        let stat = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)
            .map_err(|e| RuntimeError::system("stat", path.display(), e))?;
        Ok(Self { path: path.to_owned(), mount: stat.stx_mnt_id })
    }

    /// Unmounts it with everything below, unless something else is there meanwhile.
    ///
    /// # Errors
    /// When it is there and cannot be unmounted.
    pub fn detach(&self) -> Result<(), RuntimeError> {
        if Self::at(&self.path)? != *self {
            return Ok(());
        }
        rustix::mount::unmount(&self.path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
            .map_err(|e| RuntimeError::system("unmount", self.path.display(), e))
    }
}

/// Watches the place of a root on the host while a container is made there.
#[derive(Debug)]
pub(crate) struct HostGuard {
    before: HostRoot,
}

impl HostGuard {
    /// For a container without a mount namespace.
    pub(crate) fn new(entry: &Entry, root: &RootFilesystem) -> Result<Option<Self>, RuntimeError> {
        if entry.is_own() {
            return Ok(None);
        }
        HostRoot::at(host_directory(root)?).map(|before| Some(Self { before }))
    }

    /// What was attached since, if anything was.
    pub(crate) fn attached(&self) -> Option<HostRoot> {
        HostRoot::at(&self.before.path).ok().filter(|now| *now != self.before)
    }

    /// After a failure: takes away what was attached.
    pub(crate) fn undo(&self) {
        if let Some(Err(error)) = self.attached().map(|root| root.detach()) {
            eprintln!("gantry runtime: {}", error.message());
        }
    }
}
