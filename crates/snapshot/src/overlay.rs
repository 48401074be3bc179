//! The snapshotter for overlayfs.
//!
//! ```text
//! ROOT/layers/...    see `layer`
//! ROOT/rw/...        see `writable`
//! ROOT/removed       see `writable`
//! ROOT/empty         empty directories
//! ROOT/lock          flock(2)ed, shared, by every process that has the store open
//! ```
//!
//! ROOT has to be on a file system that overlayfs can write to (ext4, xfs with ftype, btrfs).

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use types::{Digest, RootFilesystem};

use crate::{
    Change, Key, Limits, SnapshotError, Snapshotter, Unpacked, Usage, changes, export,
    layer::{self, Layers},
    tree,
    writable::Writables,
};

/// Layers as directories that overlayfs stacks.
#[derive(Debug)]
pub struct OverlaySnapshotter {
    layers: Layers,
    writables: Writables,
    /// Tells other processes that temporary directories may be in use.
    _lock: File,
}

impl OverlaySnapshotter {
    /// Opens the store at `root`, making it if it is missing.
    ///
    /// Sweeps away what an earlier process left unfinished, unless another process has the store
    /// open too.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn open(root: impl AsRef<Path>) -> Result<Self, SnapshotError> {
        let root = root.as_ref();
        fs::create_dir_all(root)
            // Set-id programs in layers are nobody's business but the containers'.
            .and_then(|()| fs::set_permissions(root, fs::Permissions::from_mode(0o711)))
            .map_err(SnapshotError::io("make directory", root))?;
        // Containers name layers by absolute path, whatever the current directory is then.
        let root = fs::canonicalize(root).map_err(SnapshotError::io("resolve", root))?;
        let layers = Layers::open(root.join("layers"))?;
        let writables = Writables::open(root.join("rw"), root.join("empty"), root.join("removed"))?;
        let lock = lock(&root.join("lock"), || {
            layers.sweep()?;
            writables.sweep()
        })?;
        Ok(Self { layers, writables, _lock: lock })
    }
}

/// Takes the shared lock; calls `sweep` first if nobody else has it.
fn lock(
    path: &Path,
    sweep: impl FnOnce() -> Result<(), SnapshotError>,
) -> Result<File, SnapshotError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(SnapshotError::io("open", path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => sweep()?,
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(SnapshotError::io("lock", path)(error)),
    }
    flock(&file, FlockOperation::LockShared).map_err(SnapshotError::io("lock", path))?;
    Ok(file)
}

impl Snapshotter for OverlaySnapshotter {
    fn contains(&self, diff_id: &Digest) -> Result<bool, SnapshotError> {
        self.layers.contains(diff_id)
    }

    fn layer_size(&self, diff_id: &Digest) -> Result<u64, SnapshotError> {
        self.layers.size(diff_id)
    }

    fn layers(&self) -> Result<Vec<Digest>, SnapshotError> {
        self.layers.list()
    }

    fn unpack(
        &self,
        expected: Option<&Digest>,
        archive: &mut (dyn Read + Send),
        limits: &Limits,
    ) -> Result<Unpacked, SnapshotError> {
        self.layers.unpack(expected, archive, limits)
    }

    fn sync(&self, layers: &[Digest]) -> Result<(), SnapshotError> {
        self.layers.sync(layers)
    }

    fn remove_layer(&self, diff_id: &Digest) -> Result<(), SnapshotError> {
        self.layers.remove(diff_id)
    }

    fn create(&self, key: &Key, layers: &[Digest]) -> Result<(), SnapshotError> {
        self.writables.create(key, &self.layers, layers)
    }

    fn rootfs(&self, key: &Key) -> Result<RootFilesystem, SnapshotError> {
        self.writables.rootfs(key, &self.layers)
    }

    fn view(&self, layers: &[Digest]) -> Result<RootFilesystem, SnapshotError> {
        self.writables.view(&self.layers, layers)
    }

    fn snapshots(&self) -> Result<Vec<Key>, SnapshotError> {
        self.writables.list()
    }

    fn remove(&self, key: &Key) -> Result<(), SnapshotError> {
        self.writables.remove(key)
    }

    fn settle(&self) {
        self.writables.settle();
    }

    fn usage(&self, key: &Key) -> Result<Usage, SnapshotError> {
        let upper = self.writables.upper(key)?;
        tree::usage(layer::open(&upper)?.as_fd()).map_err(SnapshotError::io("measure", upper))
    }

    fn changes(&self, key: &Key) -> Result<Vec<Change>, SnapshotError> {
        let upper = self.writables.upper(key)?;
        let stack = self.writables.stack(key)?;
        let lower = self
            .writables
            .lower(&self.layers, &stack)?
            .iter()
            .map(|path| Ok(layer::open(path)?.into()))
            .collect::<Result<Vec<OwnedFd>, SnapshotError>>()?;
        changes::list(layer::open(&upper)?.as_fd(), lower)
            .map_err(SnapshotError::io("compare", upper))
    }

    fn export_layer(&self, diff_id: &Digest, out: &mut dyn Write) -> Result<(), SnapshotError> {
        self.layers.require(diff_id)?;
        let diff = layer::open(&self.layers.diff(diff_id))?;
        Ok(export::write(diff.as_fd(), out)?)
    }

    fn export_upper(&self, key: &Key, out: &mut dyn Write) -> Result<(), SnapshotError> {
        let upper = layer::open(&self.writables.upper(key)?)?;
        Ok(export::write(upper.as_fd(), out)?)
    }
}
