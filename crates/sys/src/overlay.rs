//! overlayfs as a detached mount.

use std::{io, os::fd::OwnedFd, path::Path};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};

/// The directories of an overlay.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// Read-only layers, topmost first.
    pub lower: &'a [std::path::PathBuf],
    /// The writable layer and overlayfs' work directory; absent for a read-only view.
    pub upper: Option<(&'a Path, &'a Path)>,
}

/// Mounts an overlay, attached nowhere; it vanishes with the descriptor unless it is moved.
///
/// Layers are given one by one (`lowerdir+`), so neither their number nor odd characters in their
/// paths matter.
///
/// # Errors
/// Those of the mount API.
pub fn mount(overlay: &Overlay<'_>) -> io::Result<OwnedFd> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for lower in overlay.lower {
        fsconfig_set_string(&fs, "lowerdir+", lower)?;
    }
    if let Some((upper, work)) = overlay.upper {
        fsconfig_set_string(&fs, "upperdir", upper)?;
        fsconfig_set_string(&fs, "workdir", work)?;
    }
    fsconfig_create(&fs)?;
    Ok(fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}
