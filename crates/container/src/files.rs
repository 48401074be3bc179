//! Files of a container: describe, read, write, export, compare.
//!
//! A running container is looked at through its init's root, mounts and all. One that does not run
//! is looked at through a detached mount of its layers, with its volumes and bind mounts attached:
//! for reading without its writable directory (so that a start meanwhile finds that free), for
//! writing as it will be mounted, under the operation lock. Every path is resolved by the kernel
//! within that root ([`sys::confine::Root`]); nothing of the container's is executed or loaded.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use snapshot::{Change, ChangeKind, Collision, Extraction, Limits, Part};

use crate::{
    Container, ContainerError, Containers,
    containers::snapshot_key,
    host_source::HostSource,
    path_in_container::PathInContainer,
    record::Record,
    root_view::{RootView, fd_path},
};

/// What is known of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathInfo {
    /// The last component as the caller wrote it.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// As the kernel has it.
    pub mode: u32,
    /// Of its content.
    pub modified_nanos: i64,
    /// Where a symbolic link leads within the container; else empty.
    pub link_target: String,
}

/// How an archive is written into a container.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The directory.
    pub path: String,
    /// When a directory meets a file.
    pub collision: Collision,
    /// Whether the container's user shall own what is made.
    pub owned_by_user: bool,
}

/// A path that was found and may be read.
pub struct FoundPath {
    /// What it is.
    pub info: PathInfo,
    dir: OwnedFd,
    name: OsString,
    stored_as: Vec<u8>,
}

impl FoundPath {
    /// Writes it, with all below it, as an archive.
    ///
    /// # Errors
    /// Those of reading the files and writing the archive.
    pub fn write_archive(&self, out: &mut dyn Write) -> Result<(), ContainerError> {
        let part = Part::Entry { name: &self.name, stored_as: &self.stored_as };
        Ok(snapshot::export_tree(self.dir.as_fd(), part, out)?)
    }
}

/// The root file system of a container, to be exported.
pub struct RootExport(RootView);

impl RootExport {
    /// Writes it as an archive, without what is mounted in it.
    ///
    /// # Errors
    /// Those of reading the files and writing the archive.
    pub fn write_archive(&self, out: &mut dyn Write) -> Result<(), ContainerError> {
        let root = self.0.root().open_dir(Path::new("/")).map_err(|e| io_failed("open", "/", e))?;
        Ok(snapshot::export_tree(root.as_fd(), Part::ContentsOfOneMount, out)?)
    }
}

impl Containers {
    /// Lists what differs from the image. Blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub fn changes(&self, container: &Container) -> Result<Vec<Change>, ContainerError> {
        let changes = self.inner.services.snapshots.changes(&snapshot_key(&container.id))?;
        Ok(without_mount_points(changes))
    }

    /// Writes what differs from the image as a layer archive. Blocks.
    ///
    /// # Errors
    /// Those of the store, and of writing.
    pub fn export_changes(
        &self,
        container: &Container,
        out: &mut dyn Write,
    ) -> Result<(), ContainerError> {
        Ok(self.inner.services.snapshots.export_upper(&snapshot_key(&container.id), out)?)
    }

    /// Opens the whole file system for an export. Blocks.
    ///
    /// # Errors
    /// Those of mounting.
    pub fn export(&self, container: &Container) -> Result<RootExport, ContainerError> {
        let view = match running_root(container)? {
            Some(view) => view,
            None => self.layers_of(container, Purpose::Read)?,
        };
        Ok(RootExport(view))
    }

    /// Finds a path and describes it. Blocks; the caller holds the operation lock.
    ///
    /// # Errors
    /// [`ContainerError::NoSuchPath`], [`ContainerError::Invalid`] for a path through a file.
    pub fn find_path(
        &self,
        container: &Container,
        path: &str,
    ) -> Result<FoundPath, ContainerError> {
        let view = self.root_of(container, Purpose::Read)?;
        let asked = PathInContainer::parse(path);
        let find = || find(&view, &asked);
        find().map_err(|error| path_failed(container, path, error))
    }

    /// Extracts an archive, compressed or not, into a directory. Blocks; the caller holds the
    /// operation lock.
    ///
    /// # Errors
    /// [`ContainerError::NoSuchPath`]; [`ContainerError::Forbidden`] for what is read-only;
    /// those of the archive.
    pub fn write_path(
        &self,
        container: &Container,
        request: &WriteRequest,
        archive: impl Read,
    ) -> Result<(), ContainerError> {
        let asked = PathInContainer::parse(&request.path);
        let record = container.record();
        let view = self.root_of(container, Purpose::Write)?;
        let directory = view.root().open_dir(asked.resolving());
        let directory = directory.map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => {
                ContainerError::Invalid("extraction point is not a directory".into())
            }
            _ => path_failed(container, &request.path, error),
        })?;
        let resolved = std::fs::read_link(fd_path(directory.as_fd()))
            .map_err(|error| io_failed("resolve", &request.path, error))?;
        check_writable(&record, &resolved)?;
        let owner = if request.owned_by_user { owner(&view, &record)? } else { None };
        let extraction = Extraction {
            root: view.root(),
            base: asked.resolving().to_owned(),
            collision: request.collision,
            owner,
        };
        let archive = snapshot::decompress(archive)
            .map_err(|error| ContainerError::Invalid(types::error::chain(&error)))?;
        let mut archive = io::BufReader::with_capacity(64 * 1024, archive);
        Ok(snapshot::extract(&mut archive, &extraction, &Limits::default())?)
    }

    fn root_of(&self, container: &Container, purpose: Purpose) -> Result<RootView, ContainerError> {
        if let Some(view) = running_root(container)? {
            return Ok(view);
        }
        let record = container.record();
        let mounts: Vec<_> = record
            .mounts
            .iter()
            .filter_map(|plan| Some((HostSource::of(&plan.source)?, Path::new(&plan.destination))))
            .collect();
        if !mounts.is_empty() {
            self.prepare_mounts(container, &mounts)?;
        }
        let view = self.layers_of(container, purpose)?;
        for (source, destination) in mounts {
            let attach = || match source.open()? {
                Some(source) => view.attach(source.as_fd(), destination),
                None => Ok(()),
            };
            attach().map_err(|source| ContainerError::File {
                action: "look through the mount at",
                path: destination.to_owned(),
                source,
            })?;
        }
        Ok(view)
    }

    /// Does for a container that may never have run what its start will do: fills new volumes
    /// and makes the places where they are mounted.
    fn prepare_mounts(
        &self,
        container: &Container,
        mounts: &[(HostSource<'_>, &Path)],
    ) -> Result<(), ContainerError> {
        let rootfs = self.inner.services.snapshots.rootfs(&snapshot_key(&container.id))?;
        crate::volume_copy::fill(&container.record(), &rootfs)?;
        let mut view = None;
        for (source, destination) in mounts {
            let reading = self.layers_of(container, Purpose::Read)?;
            if reading.root().metadata(destination).is_ok() || !source.is_directory() {
                continue;
            }
            let view = match &view {
                Some(view) => view,
                None => view.insert(self.layers_of(container, Purpose::Write)?),
            };
            view.root().create_dir_all(destination, Mode::from_raw_mode(0o755)).map_err(
                |source| ContainerError::File {
                    action: "make the mount point",
                    path: (*destination).to_owned(),
                    source,
                },
            )?;
        }
        Ok(())
    }

    fn layers_of(
        &self,
        container: &Container,
        purpose: Purpose,
    ) -> Result<RootView, ContainerError> {
        let rootfs = self.inner.services.snapshots.rootfs(&snapshot_key(&container.id))?;
        let view = match purpose {
            Purpose::Read => RootView::open_for_reading(&rootfs),
            Purpose::Write => RootView::open(&rootfs),
        };
        view.map_err(|error| io_failed("mount the root of", container.id.as_str(), error))
    }
}

/// What a root is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
}

/// The root of a running container, as its init sees it.
pub(crate) fn running_root(container: &Container) -> Result<Option<RootView>, ContainerError> {
    let state = container.state();
    if !state.is_running() {
        return Ok(None);
    }
    let opened = RootView::of_process(state.pid);
    // The number may have become another process': what was opened counts only if it still is
    // the init's.
    let now = container.state();
    if !now.is_running() || now.pid != state.pid {
        return Ok(None);
    }
    opened.map(Some).map_err(|error| io_failed("open the root of", container.id.as_str(), error))
}

/// Takes out what every start puts there for the engine's own mounts.
fn without_mount_points(mut changes: Vec<Change>) -> Vec<Change> {
    const OWN: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
    let is_own = |change: &Change| {
        change.kind == ChangeKind::Added && OWN.iter().any(|own| change.path == Path::new(own))
    };
    let before = changes.len();
    changes.retain(|change| !is_own(change));
    let etc = Path::new("/etc");
    let is_below = |change: &Change| change.path != etc && change.path.starts_with(etc);
    if changes.len() < before && !changes.iter().any(is_below) {
        changes.retain(|change| change.path != etc || change.kind != ChangeKind::Modified);
    }
    changes
}

fn find(view: &RootView, asked: &PathInContainer) -> io::Result<FoundPath> {
    let root = view.root();
    let (dir, name) = if asked.is_directory() {
        (root.open_dir(asked.resolving())?, OsString::from("."))
    } else {
        root.open_parent(asked.resolving())?
    };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statat(&dir, &name, flags)?;
    let is_link = stat.st_mode & 0o170_000 == 0o120_000;
    let link_target = if is_link { link_target(view, asked)? } else { String::new() };
    let info = PathInfo {
        name: asked.name().to_owned(),
        size: stat.st_size,
        mode: stat.st_mode,
        modified_nanos: stat
            .st_mtime
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        link_target,
    };
    let stored_as = asked.stored_as().as_bytes().to_vec();
    Ok(FoundPath { info, dir, name, stored_as })
}

/// Where a link leads: followed by the kernel if something is there, else by its text.
fn link_target(view: &RootView, asked: &PathInContainer) -> io::Result<String> {
    let root = view.root();
    match root.open_file(asked.resolving(), OFlags::PATH, Mode::empty()) {
        Ok(target) => {
            let path = std::fs::read_link(fd_path(target.as_fd()))?;
            Ok(path.to_string_lossy().into_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = root.read_link(asked.resolving())?;
            let parent = asked.resolving().parent().unwrap_or(Path::new("/"));
            let joined = parent.join(text);
            Ok(PathInContainer::parse(&joined.to_string_lossy()).clean().to_owned())
        }
        Err(error) => Err(error),
    }
}

/// Refuses to write where the container itself could not.
fn check_writable(record: &Record, resolved: &Path) -> Result<(), ContainerError> {
    let below = |plan: &&crate::record::MountPlan| resolved.starts_with(&plan.destination);
    let deepest = record.mounts.iter().filter(below).max_by_key(|plan| plan.destination.len());
    match deepest {
        Some(plan) if plan.is_read_only => {
            Err(ContainerError::Forbidden("mounted volume is marked read-only".into()))
        }
        None if record.host_config.readonly_rootfs => {
            Err(ContainerError::Forbidden("container rootfs is marked read-only".into()))
        }
        _ => Ok(()),
    }
}

fn owner(view: &RootView, record: &Record) -> Result<Option<(u32, u32)>, ContainerError> {
    if record.config.user.is_empty() {
        return Ok(None);
    }
    let read = |path| view.read_text(path).map_err(|error| io_failed("read", path, error));
    let accounts =
        crate::account::Accounts { passwd: read("etc/passwd")?, group: read("etc/group")? };
    let user = accounts.resolve(&record.config.user, &[])?;
    Ok(Some((user.uid, user.gid)))
}

fn path_failed(container: &Container, path: &str, error: io::Error) -> ContainerError {
    match error.kind() {
        io::ErrorKind::NotFound => ContainerError::NoSuchPath {
            path: path.to_owned(),
            container: container.id.to_string(),
        },
        io::ErrorKind::NotADirectory => ContainerError::Invalid(format!("{path}: not a directory")),
        _ => io_failed("open", path, error),
    }
}

fn io_failed(action: &'static str, path: &str, source: io::Error) -> ContainerError {
    ContainerError::File { action, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, kind: ChangeKind) -> Change {
        Change { path: path.into(), kind }
    }

    #[test]
    fn the_engine_s_own_mount_points_are_no_changes() {
        let own = [change("/etc", ChangeKind::Modified), change("/etc/hosts", ChangeKind::Added)];
        assert_eq!(without_mount_points(own.to_vec()), []);
        let mixed = [
            change("/etc", ChangeKind::Modified),
            change("/etc/hosts", ChangeKind::Added),
            change("/etc/shadow", ChangeKind::Deleted),
        ];
        let kept = without_mount_points(mixed.to_vec());
        assert_eq!(kept, [mixed[0].clone(), mixed[2].clone()]);
    }
}
