//! Bind mounts that are as young as their place in the configuration says.
//!
//! The kernel lists a process's mounts by age (since 6.8). A bind mount is copied by the creator,
//! before the child makes its own file systems, so it would be listed before all of them; tools
//! that read the list as the order of mounting would be misled. The child may not copy a mount of
//! the creator's namespace; it may once that is attached in its own: so it attaches the creator's
//! copy, copies it, and takes the first one away.

use std::{
    cell::Cell,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::mount::UnmountFlags;

use crate::{entry::Entry, mount_options::Bind, tree};

/// How bind mounts are renewed.
pub(crate) struct Renewal {
    host_proc: Option<OwnedFd>,
    is_due: Cell<bool>,
}

impl Renewal {
    /// In a mount namespace that is not the container's own nothing is attached for a moment
    /// only: others would see it.
    pub(crate) fn new(entry: &Entry, host_proc: BorrowedFd<'_>) -> Self {
        let host_proc = host_proc.try_clone_to_owned().ok().filter(|_| entry.is_own());
        Self { host_proc, is_due: Cell::new(false) }
    }

    /// A file system was made: bind mounts from here on are to be younger.
    pub(crate) fn note_new(&self) {
        self.is_due.set(true);
    }

    /// A younger copy of a detached mount, which is lost; `None` when it is young enough.
    /// `target` is where the copy will be attached.
    pub(crate) fn renew(
        &self,
        mount: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
    ) -> rustix::io::Result<Option<OwnedFd>> {
        let Some(host_proc) = self.host_proc.as_ref().filter(|_| self.is_due.get()) else {
            return Ok(None);
        };
        tree::attach(mount, target)?;
        let copy = tree::clone_mount(mount, Bind::Tree)?;
        rustix::process::fchdir(host_proc)?;
        rustix::mount::unmount(format!("self/fd/{}", mount.as_raw_fd()), UnmountFlags::DETACH)?;
        rustix::process::chdir("/")?;
        Ok(Some(copy))
    }
}
