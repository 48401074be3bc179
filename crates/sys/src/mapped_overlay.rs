//! overlayfs mounts whose layers are shown with other owners.
//!
//! The layers stay as they are: each is an id-mapped mount of its own, attached nowhere. So one
//! set of layers serves containers with any mappings, and nothing has to change its owner.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
    thread,
};

use rustix::{
    fs::CWD,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create,
        fsconfig_set_string, fsmount, fsopen, open_tree,
    },
};

use crate::{
    mount::{Attributes, Scope, map_ids, set_attributes},
    overlay::{self, Overlay},
};

/// Whose files the layers' files become.
#[derive(Debug, Clone, Copy)]
pub struct Owners<'a> {
    /// A user namespace, for its mappings.
    pub mappings: BorrowedFd<'a>,
    /// What user 0 of the layers becomes.
    pub root_uid: u32,
    /// What group 0 of the layers becomes.
    pub root_gid: u32,
}

/// As [`overlay::mount`], with the owners of all layers shown as mappings have them (Linux 6.5). Nothing is
/// written to a layer: what the overlay's users write is mapped back.
///
/// # Errors
/// As for [`overlay::mount`]; `InvalidInput` when upper and work directory are not beside each other; what
/// the kernel says to layers that cannot be mapped.
pub fn mount(overlay: &Overlay<'_>, owners: Owners<'_>) -> io::Result<OwnedFd> {
    overlay::check(overlay)?;
    if let Some(work) = overlay.work {
        overlay::forget_volatile(work)?;
    }
    // Overlayfs makes files in its work directory as who mounted it, and for a mapped layer that
    // has to be someone who is mapped. The ids are the thread's own and end with it.
    thread::scope(|scope| {
        scope
            .spawn(|| {
                crate::process::set_file_ids(owners.root_uid, owners.root_gid)?;
                mount_mapped_as_owner(overlay, owners.mappings)
            })
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the mounting thread panicked")))
    })
}

fn mount_mapped_as_owner(overlay: &Overlay<'_>, mappings: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in overlay::OPTIONS {
        overlay::set_option(&context, key, value)?;
    }
    // Held until the overlay is made: it is told of them by number.
    let mut layers = Vec::new();
    for lower in overlay.lower {
        let layer = mapped_layer(lower, mappings)?;
        fsconfig_set_string(&context, "lowerdir+", by_number(&layer))?;
        layers.push(layer);
    }
    if let (Some(upper), Some(work)) = (overlay.upper, overlay.work) {
        // Both have to be on one mount, so it is their parent's.
        let refuse = || io::Error::new(io::ErrorKind::InvalidInput, "upper and work are apart");
        let parent = upper.parent().filter(|p| work.parent() == Some(*p)).ok_or_else(refuse)?;
        let layer = mapped_layer(parent, mappings)?;
        for (key, path) in [("upperdir", upper), ("workdir", work)] {
            let name = path.file_name().ok_or_else(refuse)?;
            fsconfig_set_string(&context, key, Path::new(&by_number(&layer)).join(name))?;
        }
        if overlay.is_volatile {
            overlay::set_volatile(&context)?;
        }
        layers.push(layer);
    }
    fsconfig_set_string(&context, "source", "overlay")?;
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

fn by_number(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// A mount of its own of a directory, attached nowhere.
fn mapped_layer(path: &Path, mappings: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let layer = open_tree(CWD, path, flags)?;
    let private = Attributes { propagation: libc::MS_PRIVATE, ..Attributes::default() };
    set_attributes(layer.as_fd(), Scope::Mount, &private)?;
    map_ids(layer.as_fd(), Scope::Mount, mappings)?;
    Ok(layer)
}
