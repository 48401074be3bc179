//! Copy-up: an empty volume gets what the image has at its mount point.
//!
//! Owner, mode, times, extended attributes, links and devices are kept, as `cp -a` does. Nothing
//! is followed: both sides are walked by descriptors.

use std::{io, os::fd::AsFd, path::Path};

use types::RootFilesystem;

use crate::{
    ContainerError,
    host_mount::open_subpath,
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
        let failed = |source: io::Error| ContainerError::File {
            action: "copy the image's content into",
            path: path.clone(),
            source,
        };
        let Some(target) = open_dir(path, subpath)? else { continue };
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

/// The directory that is to be filled; a file at a volume's subpath is none.
fn open_dir(volume: &Path, subpath: &str) -> Result<Option<std::os::fd::OwnedFd>, ContainerError> {
    use rustix::{
        fs::{Mode, OFlags},
        io::Errno,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = if subpath.is_empty() {
        rustix::fs::open(volume, flags, Mode::empty())
    } else {
        let place = open_subpath(volume, subpath)?;
        rustix::fs::openat(&place, c".", flags, Mode::empty())
    };
    match opened {
        Err(Errno::NOTDIR) => Ok(None),
        opened => opened.map(Some).map_err(|error| ContainerError::File {
            action: "open",
            path: volume.join(subpath),
            source: error.into(),
        }),
    }
}
