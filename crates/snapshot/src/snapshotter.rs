//! The contract of a snapshotter.

use std::{
    io::{Read, Write},
    path::PathBuf,
};

use types::{Digest, RootFilesystem};

use crate::{Key, Limits, SnapshotError};

/// A layer that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the uncompressed archive.
    pub diff_id: Digest,
    /// The lengths of its files together, hard links counted once.
    pub size_bytes: u64,
}

/// What a writable snapshot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The lengths of files and links together, hard links counted once.
    pub size_bytes: u64,
    /// Files, directories and everything else.
    pub inodes: u64,
}

/// How a path differs from the layers below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Changed in place (`C`, 0 in the Engine API).
    Modified,
    /// New (`A`, 1).
    Added,
    /// Gone (`D`, 2).
    Deleted,
}

/// One line of `docker diff`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    /// Absolute, as the container sees it.
    pub path: PathBuf,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// Keeps unpacked layers, and stacks writable snapshots and read-only views on them.
///
/// # Lifecycle
///
/// A **layer** is read-only, named by its *diff id* and knows nothing of the layers below it, so
/// that images share equal layers whatever they are stacked on. It is `unpack`ed from a layer
/// archive, all at once or not at all: nothing of a failed or interrupted unpack is ever visible.
/// Two callers may unpack the same layer at the same time; one works, the other waits and gets
/// its result. Before a database row names layers they must be `sync`ed; an unsynced layer
/// survives the end of the process but not a crash of the machine (then it is swept away at the
/// next open, and unpacked again). `remove_layer` is the business of who counts references: a
/// layer below a live snapshot must not be removed.
///
/// A **writable snapshot** is named by a [`Key`]. `create` makes it empty on a stack of layers,
/// lowest first. `rootfs` says how to mount it; the snapshotter itself mounts nothing, so there is
/// nothing to be left mounted. `usage`, `changes` and `export_upper` look at what was written, at
/// any time, also while it is mounted. `remove` ends it.
///
/// A **view** is the same stack without anything to write on; it has no name and no end.
///
/// # Example: pull, run, commit, remove
///
/// ```
/// # use gantry_snapshot as snapshot;
/// use std::error::Error;
/// use snapshot::{ChangeKind, Key, Limits, Snapshotter};
/// use types::RootFilesystem;
///
/// fn pull_run_commit(store: &dyn Snapshotter, base: &[u8]) -> Result<(), Box<dyn Error>> {
///     // pull: the layer stands, then it is durable, then a row may name it
///     let layer = store.unpack(None, &mut &base[..], &Limits::default())?;
///     store.sync(std::slice::from_ref(&layer.diff_id))?;
///
///     // run: the runtime mounts what `rootfs` describes, inside the container
///     let key: Key = "container-1".parse()?;
///     store.create(&key, std::slice::from_ref(&layer.diff_id))?;
///     let RootFilesystem::Overlay { upper: Some(upper), .. } = store.rootfs(&key)? else {
///         return Ok(());
///     };
///     std::fs::write(upper.join("hello"), "written by the container")?;
///     assert_eq!(store.changes(&key)?[0].kind, ChangeKind::Added);
///
///     // commit: what was written becomes a layer on top of the others
///     let mut archive = Vec::new();
///     store.export_upper(&key, &mut archive)?;
///     let second = store.unpack(None, &mut &archive[..], &Limits::default())?;
///     store.view(&[layer.diff_id.clone(), second.diff_id.clone()])?;
///
///     // rm, rmi
///     store.remove(&key)?;
///     store.remove_layer(&second.diff_id)?;
///     store.remove_layer(&layer.diff_id)?;
///     Ok(())
/// }
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = snapshot::OverlaySnapshotter::open(dir.path()).unwrap();
/// # pull_run_commit(&store, &[0; 1024]).unwrap();
/// ```
///
/// All methods block; none holds a lock while another layer or snapshot is worked on.
pub trait Snapshotter: Send + Sync {
    /// Tells whether a layer stands.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    fn contains(&self, diff_id: &Digest) -> Result<bool, SnapshotError>;

    /// Returns the lengths of a layer's files together.
    ///
    /// # Errors
    /// [`SnapshotError::LayerNotFound`], [`SnapshotError::Damaged`], [`SnapshotError::Io`].
    fn layer_size(&self, diff_id: &Digest) -> Result<u64, SnapshotError>;

    /// Lists the layers that stand, sorted.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    fn layers(&self) -> Result<Vec<Digest>, SnapshotError>;

    /// Makes a layer from an uncompressed archive (see [`crate::decompress`]).
    ///
    /// With `expected`, a layer that stands already is returned without reading the archive, and
    /// an archive with another digest is refused. The archive is read to its end, so that a
    /// caller that hashes the compressed bytes behind it has seen all of them.
    ///
    /// # Errors
    /// [`SnapshotError::Archive`] naming the entry at fault; [`SnapshotError::DiffIdMismatch`];
    /// [`SnapshotError::Io`]. Nothing is left behind.
    fn unpack(
        &self,
        expected: Option<&Digest>,
        archive: &mut (dyn Read + Send),
        limits: &Limits,
    ) -> Result<Unpacked, SnapshotError>;

    /// Makes layers survive a crash of the machine; all at once, it costs one flush.
    ///
    /// # Errors
    /// [`SnapshotError::LayerNotFound`], [`SnapshotError::Io`].
    fn sync(&self, layers: &[Digest]) -> Result<(), SnapshotError>;

    /// Removes a layer.
    ///
    /// # Errors
    /// [`SnapshotError::LayerNotFound`], [`SnapshotError::Io`].
    fn remove_layer(&self, diff_id: &Digest) -> Result<(), SnapshotError>;

    /// Makes an empty writable snapshot on layers, lowest first.
    ///
    /// # Errors
    /// [`SnapshotError::Exists`], [`SnapshotError::LayerNotFound`],
    /// [`SnapshotError::TooManyLayers`], [`SnapshotError::Io`]. Nothing is left behind.
    fn create(&self, key: &Key, layers: &[Digest]) -> Result<(), SnapshotError>;

    /// Describes how to mount a writable snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Damaged`], [`SnapshotError::Io`].
    fn rootfs(&self, key: &Key) -> Result<RootFilesystem, SnapshotError>;

    /// Describes how to mount layers, lowest first, read-only.
    ///
    /// # Errors
    /// [`SnapshotError::LayerNotFound`], [`SnapshotError::TooManyLayers`], [`SnapshotError::Io`].
    fn view(&self, layers: &[Digest]) -> Result<RootFilesystem, SnapshotError>;

    /// Lists the writable snapshots, sorted.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    fn snapshots(&self) -> Result<Vec<Key>, SnapshotError>;

    /// Removes a writable snapshot and all that was written. It is gone when this returns; its
    /// space may become free a little later: see [`Snapshotter::settle`].
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Io`].
    fn remove(&self, key: &Key) -> Result<(), SnapshotError>;

    /// Waits until the space of removed snapshots is free.
    fn settle(&self) {}

    /// Measures what was written to a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Io`].
    fn usage(&self, key: &Key) -> Result<Usage, SnapshotError>;

    /// Lists how a snapshot differs from its layers, sorted by path, as `docker diff` does.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Damaged`], [`SnapshotError::Io`].
    fn changes(&self, key: &Key) -> Result<Vec<Change>, SnapshotError>;

    /// Writes a layer as an uncompressed layer archive.
    ///
    /// The archive is equivalent to the one that was unpacked and always the same for a layer,
    /// but not the same bytes: it has a diff id of its own.
    ///
    /// # Errors
    /// [`SnapshotError::LayerNotFound`], [`SnapshotError::Archive`].
    fn export_layer(&self, diff_id: &Digest, out: &mut dyn Write) -> Result<(), SnapshotError>;

    /// Writes what was written to a snapshot as an uncompressed layer archive.
    ///
    /// # Errors
    /// [`SnapshotError::NotFound`], [`SnapshotError::Archive`].
    fn export_upper(&self, key: &Key, out: &mut dyn Write) -> Result<(), SnapshotError>;
}
