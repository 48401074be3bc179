//! Mounts that the engine makes in the host's namespace for one run of a container, below
//! `DATA_ROOT/containers/ID/mounts`: memory that others may share, and parts of volumes that
//! must not be found by their path again, since whoever writes to the volume could put a link
//! there meanwhile. They go when the container ends.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
    mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags},
};
use types::ContainerId;

use crate::{
    ContainerError, Containers,
    record::{MountSource, Record},
};

/// Where the parts of volumes are mounted, by their destination in the container.
pub type Subpaths = std::collections::BTreeMap<String, PathBuf>;

/// A private copy of a mount and all below it.
const OPEN_TREE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_RECURSIVE)
    .union(OpenTreeFlags::AT_EMPTY_PATH);

/// Opens what lies at `subpath` of a volume; links are followed as long as they stay inside.
///
/// # Errors
/// [`ContainerError::StartFailed`] with Docker's texts for what is missing or outside.
pub(crate) fn open_subpath(volume: &Path, subpath: &str) -> Result<OwnedFd, ContainerError> {
    let failed = |message| ContainerError::StartFailed { message, exit_code: 128 };
    let place = volume.join(subpath);
    let missing = |cause: Errno| failed(format!("cannot access path {}: {cause}", place.display()));
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let base = rustix::fs::open(volume, flags, Mode::empty()).map_err(missing)?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&base, subpath, flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => Err(failed(format!(
            "path concatenation escapes the base directory, base: {}, subpath: {subpath}",
            volume.display()
        ))),
        other => other.map_err(missing),
    }
}

impl Containers {
    /// Mounts the parts of volumes that a container asks for.
    ///
    /// # Errors
    /// As [`open_subpath`]; [`ContainerError::File`] when it cannot be mounted.
    pub(crate) fn mount_subpaths(&self, record: &Record) -> Result<Subpaths, ContainerError> {
        let mut mounted = Subpaths::new();
        for (index, plan) in record.mounts.iter().enumerate() {
            let MountSource::Volume { path, subpath, .. } = &plan.source else { continue };
            if subpath.is_empty() {
                continue;
            }
            let source = open_subpath(path, subpath)?;
            let place = self.host_mount_path(&record.id, &index.to_string());
            attach(&source, &place).map_err(|error| ContainerError::File {
                action: "mount",
                path: place.clone(),
                source: error,
            })?;
            mounted.insert(plan.destination.clone(), place);
        }
        Ok(mounted)
    }

    /// Takes everything that was mounted for a container out of the host's namespace; nothing is
    /// no error.
    pub(crate) fn release_host_mounts(&self, id: &ContainerId) -> Result<(), ContainerError> {
        let dir = self.data_dir(id).join("mounts");
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|source| ContainerError::File {
                action: "list",
                path: dir,
                source,
            })?,
        };
        entries.flatten().try_for_each(|entry| unmount(&entry.path()))
    }

    /// The place of one mount.
    pub(crate) fn host_mount_path(&self, id: &ContainerId, name: &str) -> PathBuf {
        self.data_dir(id).join("mounts").join(name)
    }
}

fn attach(source: &OwnedFd, place: &Path) -> std::io::Result<()> {
    let is_dir = FileType::from_raw_mode(rustix::fs::fstat(source)?.st_mode) == FileType::Directory;
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let made = if is_dir {
        std::fs::create_dir(place)
    } else {
        std::fs::File::create_new(place).map(drop)
    };
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let tree = rustix::mount::open_tree(source.as_fd(), c"", OPEN_TREE)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(rustix::mount::move_mount(&tree, c"", CWD, place, flags)?)
}

fn unmount(path: &Path) -> Result<(), ContainerError> {
    loop {
        match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            // Each start mounts once; a start that was cut short may have left another.
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(error) => {
                return Err(ContainerError::File {
                    action: "unmount",
                    path: path.to_owned(),
                    source: error.into(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subpath_stays_in_its_volume() {
        let volume = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(volume.path().join("a/b")).unwrap();
        for (link, target) in [("in", "a/b"), ("out", "../../etc"), ("root", "/etc")] {
            std::os::unix::fs::symlink(target, volume.path().join(link)).unwrap();
        }
        assert!(open_subpath(volume.path(), "a/b").is_ok());
        assert!(open_subpath(volume.path(), "in").is_ok());
        let text = |subpath: &str| open_subpath(volume.path(), subpath).unwrap_err().to_string();
        assert!(text("missing").starts_with("cannot access path "));
        for bad in ["out", "root", "../x"] {
            assert!(
                text(bad).starts_with("path concatenation escapes the base directory"),
                "{bad}"
            );
        }
    }
}
