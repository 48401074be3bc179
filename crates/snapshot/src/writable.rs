//! Writable snapshots on disk.
//!
//! ```text
//! ROOT/rw/KEY/upper     what was written; its own mode and owner are those of the topmost layer
//! ROOT/rw/KEY/work      overlayfs' own
//! ROOT/rw/KEY/layers    one diff id per line, lowest first
//! ROOT/removed/KEY~*     removed, and deleted in the background
//! ROOT/empty/{a,b}      lower directories where there are too few layers for overlayfs
//! ```
//!
//! Creating one flushes nothing, to be fast: after a crash of the machine a snapshot of the last
//! seconds may be missing or [`SnapshotError::Damaged`]. It held nothing that was promised to be
//! on disk; remove it and create it again.

use std::{
    fs, io,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use sys::{overlay::MAX_LOWER, removal::remove_tree, trash::Trash};
use types::{Digest, RootFilesystem};

use crate::{
    Key, SnapshotError,
    apply::whiteout::is_opaque,
    layer::{Layers, TEMPORARY, make_dir, open, read_dir, temporary_path},
};

/// The directory of writable snapshots.
#[derive(Debug)]
pub(crate) struct Writables {
    root: PathBuf,
    empty: PathBuf,
    trash: Trash,
}

impl Writables {
    pub(crate) fn open(
        root: PathBuf,
        empty: PathBuf,
        removed: PathBuf,
    ) -> Result<Self, SnapshotError> {
        for dir in [&root, &empty.join("a"), &empty.join("b")] {
            fs::create_dir_all(dir).map_err(SnapshotError::io("make directory", dir))?;
        }
        let trash = Trash::open(removed.clone(), |path, error| {
            tracing::warn!(path = %path.display(), %error, "cannot delete a removed snapshot");
        });
        let trash = trash.map_err(SnapshotError::io("make directory", removed))?;
        Ok(Self { root, empty, trash })
    }

    /// Removes what an earlier process left unfinished.
    pub(crate) fn sweep(&self) -> Result<(), SnapshotError> {
        for name in read_dir(&self.root)? {
            if name.to_string_lossy().starts_with(TEMPORARY) {
                let path = self.root.join(name);
                remove_tree(&path).map_err(SnapshotError::io("remove", path))?;
            }
        }
        // It may be much: the start of the engine does not wait for it.
        self.trash.empty().map_err(SnapshotError::io("empty the removed of", &self.root))
    }

    pub(crate) fn upper(&self, key: &Key) -> Result<PathBuf, SnapshotError> {
        let upper = self.path(key).join("upper");
        match upper.try_exists() {
            Ok(true) => Ok(upper),
            Ok(false) => Err(SnapshotError::NotFound { key: key.clone() }),
            Err(error) => Err(SnapshotError::io("look for", upper)(error)),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<Key>, SnapshotError> {
        let names = read_dir(&self.root)?;
        let mut keys: Vec<Key> =
            names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    pub(crate) fn create(
        &self,
        key: &Key,
        layers: &Layers,
        stack: &[Digest],
    ) -> Result<(), SnapshotError> {
        check_stack(layers, stack)?;
        let path = self.path(key);
        if path.exists() {
            return Err(SnapshotError::Exists { key: key.clone() });
        }
        let temporary = temporary_path(&self.root);
        let made = self.fill(&temporary, layers, stack).and_then(|()| {
            fs::rename(&temporary, &path).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                    SnapshotError::Exists { key: key.clone() }
                }
                _ => SnapshotError::io("create snapshot", &path)(error),
            })
        });
        if made.is_err()
            && let Err(error) = remove_tree(&temporary)
        {
            let path = temporary.display();
            tracing::warn!(%path, %error, "cannot remove an unfinished snapshot");
        }
        made
    }

    fn fill(&self, dir: &Path, layers: &Layers, stack: &[Digest]) -> Result<(), SnapshotError> {
        let upper = dir.join("upper");
        make_dir(dir, 0o700)?;
        make_dir(&upper, 0o755)?;
        make_dir(&dir.join("work"), 0o700)?;
        if let Some(top) = stack.last() {
            copy_owner(&layers.diff(top), &upper)?;
        }
        let text: String = stack.iter().map(|diff_id| format!("{diff_id}\n")).collect();
        let path = dir.join("layers");
        fs::write(&path, text).map_err(SnapshotError::io("write", path))
    }

    /// Returns the layers below a snapshot, lowest first.
    pub(crate) fn stack(&self, key: &Key) -> Result<Vec<Digest>, SnapshotError> {
        self.upper(key)?;
        let path = self.path(key).join("layers");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::from("damaged"),
            Err(error) => return Err(SnapshotError::io("read", path)(error)),
        };
        let stack: Result<Vec<Digest>, _> = text.lines().map(str::parse).collect();
        stack.map_err(|_| SnapshotError::Damaged { path })
    }

    pub(crate) fn rootfs(
        &self,
        key: &Key,
        layers: &Layers,
    ) -> Result<RootFilesystem, SnapshotError> {
        let stack = self.stack(key)?;
        let upper = Some(self.upper(key)?);
        let work = Some(self.path(key).join("work"));
        let lower = self.lower(layers, &stack)?;
        Ok(RootFilesystem::Overlay { lower, upper, work, is_volatile: false })
    }

    pub(crate) fn view(
        &self,
        layers: &Layers,
        stack: &[Digest],
    ) -> Result<RootFilesystem, SnapshotError> {
        check_stack(layers, stack)?;
        let mut lower = self.lower(layers, stack)?;
        // Without an upper, overlayfs wants two.
        if lower.len() == 1 {
            lower.push(self.empty.join("b"));
        }
        Ok(RootFilesystem::Overlay { lower, upper: None, work: None, is_volatile: false })
    }

    pub(crate) fn remove(&self, key: &Key) -> Result<(), SnapshotError> {
        let path = self.path(key);
        let discarded =
            self.trash.put(&path).map_err(SnapshotError::io("remove snapshot", path))?;
        if !discarded.is_something() {
            return Err(SnapshotError::NotFound { key: key.clone() });
        }
        discarded.delete();
        Ok(())
    }

    pub(crate) fn settle(&self) {
        self.trash.settle();
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// The directories to stack: topmost first, as overlayfs wants them, and never none.
    ///
    /// overlayfs does not look whether a layer's root is opaque, so what lies below such a layer
    /// is left out here.
    pub(crate) fn lower(
        &self,
        layers: &Layers,
        stack: &[Digest],
    ) -> Result<Vec<PathBuf>, SnapshotError> {
        let mut lower = Vec::with_capacity(stack.len().max(1));
        for diff_id in stack.iter().rev() {
            let diff = layers.diff(diff_id);
            let dir = open(&diff)?;
            lower.push(diff.clone());
            if is_opaque(dir.as_fd()).map_err(SnapshotError::io("inspect", diff))? {
                break;
            }
        }
        if lower.is_empty() {
            lower.push(self.empty.join("a"));
        }
        Ok(lower)
    }
}

fn check_stack(layers: &Layers, stack: &[Digest]) -> Result<(), SnapshotError> {
    if stack.len() > MAX_LOWER {
        return Err(SnapshotError::TooManyLayers { count: stack.len(), limit: MAX_LOWER });
    }
    stack.iter().try_for_each(|diff_id| layers.require(diff_id))
}

/// A merged directory has the attributes of its topmost part; for the root that is the upper.
fn copy_owner(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let metadata = fs::metadata(from).map_err(SnapshotError::io("inspect", from))?;
    std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()))
        .and_then(|()| {
            fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o7777))
        })
        .map_err(SnapshotError::io("set owner of", to))
}
