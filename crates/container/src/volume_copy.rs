//! Copy-up: an empty volume gets what the image has at its mount point.
//!
//! Owner, mode, times, extended attributes, links and devices are kept, as `cp -a` does. Nothing
//! is followed: both sides are walked by descriptors.

use std::{io, os::fd::AsFd, path::Path};

use types::RootFilesystem;

use crate::{
    ContainerError,
    record::{MountSource, Record},
    root_view::{self, RootView},
};

/// Fills the empty volumes of a container that is about to start.
///
/// # Errors
/// [`ContainerError::File`] names the volume.
pub fn fill(record: &Record, rootfs: &RootFilesystem) -> Result<(), ContainerError> {
    let mut view = None;
    for plan in &record.mounts {
        let MountSource::Volume { path, copy_up: true, subpath, .. } = &plan.source else {
            continue;
        };
        if !subpath.is_empty() {
            continue;
        }
        let failed = |source: io::Error| ContainerError::File {
            action: "copy the image's content into",
            path: path.clone(),
            source,
        };
        let target = open_dir(path).map_err(failed)?;
        if !root_view::is_empty(&target).map_err(failed)? {
            continue;
        }
        let view = match &view {
            Some(view) => view,
            None => view.insert(RootView::open_for_reading(rootfs).map_err(failed)?),
        };
        let source = view.directory(plan.destination.trim_start_matches('/')).map_err(failed)?;
        if let Some(source) = source {
            sys::copy::tree(source.as_fd(), target.as_fd()).map_err(failed)?;
        }
    }
    Ok(())
}

fn open_dir(path: &Path) -> io::Result<std::os::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
