//! Create, list, use, remove and prune.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use metadata::{Database, rusqlite::Connection, volume as table, volume::VolumeRow};
use sys::trash::Trash;
use types::{ContainerId, VolumeName};

use crate::VolumeError;

/// All volumes of the engine; cheap to clone.
#[derive(Clone)]
pub struct Volumes {
    root: PathBuf,
    trash: Trash,
    database: Database,
}

/// What a caller asks to be made.
#[derive(Debug, Clone, Default)]
pub struct NewVolume {
    /// `None`: an anonymous volume with a random name.
    pub name: Option<VolumeName>,
    /// Empty or `local`.
    pub driver: String,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// User's labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its unique name.
    pub name: String,
    /// `local`.
    pub driver: String,
    /// Nanoseconds since the Unix epoch.
    pub created_nanos: i64,
    /// Whether the engine made it for one container.
    pub is_anonymous: bool,
    /// User's labels.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
    /// The directory that containers see.
    pub mountpoint: PathBuf,
}

/// What [`Volumes::prune`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names of removed volumes.
    pub removed: Vec<String>,
    /// Bytes that became free.
    pub reclaimed_bytes: u64,
}

/// Where removed volumes wait for their deletion, below the root; no volume can be called so.
const TRASH: &str = ".removed";

/// Label that Docker's clients expect on anonymous volumes.
const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

impl Volumes {
    /// Uses `root` for the volumes' directories, which is made when absent.
    ///
    /// # Errors
    /// [`VolumeError::Directory`].
    pub fn open(root: PathBuf, database: Database) -> Result<Self, VolumeError> {
        make_dir(&root, 0o711)?;
        let dir = root.join(TRASH);
        let trash = Trash::open(dir.clone(), |path, error| {
            tracing::warn!(path = %path.display(), %error, "cannot delete a removed volume");
        });
        let trash = trash.map_err(|source| VolumeError::Directory {
            action: "create",
            path: dir,
            source,
        })?;
        Ok(Self { root, trash, database })
    }

    /// Makes a volume, or returns the one that has the name already.
    ///
    /// The second value is whether it is new.
    ///
    /// # Errors
    /// [`VolumeError::Driver`], [`VolumeError::Option`], [`VolumeError::Conflict`] when the name
    /// exists with other options.
    pub fn create(&self, wanted: NewVolume) -> Result<(Volume, bool), VolumeError> {
        self.create_in(wanted, |_, _| Ok(()))
    }

    /// As [`Self::create`], and notes in the same transaction that `container` uses it: no crash
    /// can leave an anonymous volume that nobody knows of.
    ///
    /// # Errors
    /// Those of [`Self::create`].
    pub fn create_for(
        &self,
        container: &ContainerId,
        wanted: NewVolume,
    ) -> Result<(Volume, bool), VolumeError> {
        self.create_in(wanted, |tx, name| Ok(table::add_use(tx, name, container)?))
    }

    fn create_in(
        &self,
        wanted: NewVolume,
        also: impl FnOnce(&Connection, &str) -> Result<(), VolumeError>,
    ) -> Result<(Volume, bool), VolumeError> {
        let row = new_row(wanted)?;
        let dir = self.root.join(&row.name);
        let (stored, is_new) = self.database.write(|tx| {
            let is_new = table::insert(tx, &row)?;
            let stored = table::get(tx, &row.name)?;
            let stored = stored.ok_or_else(|| VolumeError::NotFound(row.name.clone()))?;
            if !is_new && !row.options.is_empty() && stored.options != row.options {
                return Err(VolumeError::Conflict { name: row.name.clone() });
            }
            // Under the writer's lock, as in `remove`: neither meets a half of the other.
            make_dir(&dir, 0o701)?;
            make_dir(&dir.join("_data"), 0o755)?;
            also(tx, &row.name)?;
            Ok::<_, VolumeError>((stored, is_new))
        })?;
        Ok((self.volume(stored), is_new))
    }

    /// One volume.
    ///
    /// # Errors
    /// [`VolumeError::NotFound`].
    pub fn get(&self, name: &str) -> Result<Volume, VolumeError> {
        self.database
            .read(|c| Ok::<_, VolumeError>(table::get(c, name)?))?
            .map(|row| self.volume(row))
            .ok_or_else(|| VolumeError::NotFound(name.to_owned()))
    }

    /// All volumes by name.
    ///
    /// # Errors
    /// [`VolumeError::Database`].
    pub fn list(&self) -> Result<Vec<Volume>, VolumeError> {
        let rows = self.database.read(|c| Ok::<_, VolumeError>(table::all(c)?))?;
        Ok(rows.into_iter().map(|row| self.volume(row)).collect())
    }

    /// The ids of the containers, running or not, that use a volume.
    ///
    /// # Errors
    /// [`VolumeError::Database`].
    pub fn users(&self, name: &str) -> Result<Vec<String>, VolumeError> {
        self.database.read(|c| Ok(table::users(c, name)?))
    }

    /// Notes that `container` uses the volume, so that it cannot be removed.
    ///
    /// # Errors
    /// [`VolumeError::Database`].
    pub fn acquire(&self, name: &str, container: &ContainerId) -> Result<(), VolumeError> {
        self.database.write(|tx| Ok(table::add_use(tx, name, container)?))
    }

    /// Forgets every use by `container`.
    ///
    /// # Errors
    /// [`VolumeError::Database`].
    pub fn release(&self, container: &ContainerId) -> Result<(), VolumeError> {
        self.database.write(|tx| Ok(table::remove_uses(tx, container)?))
    }

    /// Removes a volume. Its content is gone at once and given back to the disk in the background.
    ///
    /// # Errors
    /// [`VolumeError::NotFound`], [`VolumeError::InUse`].
    pub fn remove(&self, name: &str) -> Result<(), VolumeError> {
        let path = self.root.join(name);
        let discarded = self.database.write(|tx| {
            if table::get(tx, name)?.is_none() {
                return Err(VolumeError::NotFound(name.to_owned()));
            }
            let users = table::users(tx, name)?;
            if !users.is_empty() {
                return Err(VolumeError::InUse { name: name.to_owned(), users });
            }
            table::delete(tx, name)?;
            // Last before the commit: after a crash in between there is still the row, to which
            // `reconcile` gives its directory back; so does a commit that fails.
            self.trash.put(&path).map_err(|source| VolumeError::Directory {
                action: "remove",
                path: path.clone(),
                source,
            })
        })?;
        discarded.delete();
        Ok(())
    }

    /// Removes unused volumes for which `is_wanted` holds.
    ///
    /// # Errors
    /// The first failure; volumes removed before it stay removed.
    pub fn prune(&self, is_wanted: impl Fn(&Volume) -> bool) -> Result<Pruned, VolumeError> {
        let mut pruned = Pruned::default();
        for volume in self.list()?.into_iter().filter(|v| is_wanted(v)) {
            let size_bytes = usage_bytes(&volume.mountpoint);
            match self.remove(&volume.name) {
                Ok(()) => {
                    pruned.removed.push(volume.name);
                    pruned.reclaimed_bytes += size_bytes;
                }
                // In use, or gone since the listing: both are what prune leaves alone.
                Err(VolumeError::InUse { .. } | VolumeError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        // What is reported as reclaimed is.
        self.settle();
        Ok(pruned)
    }

    /// Bytes that a volume's content takes.
    #[must_use]
    pub fn usage_bytes(&self, name: &str) -> u64 {
        usage_bytes(&self.root.join(name).join("_data"))
    }

    /// Finishes removals that a crash cut off, or undoes them if the row is still there. Removes
    /// empty directories that have no row; returns the names of what it left because there is
    /// data in it.
    ///
    /// # Errors
    /// [`VolumeError::Directory`], [`VolumeError::Database`].
    pub fn reconcile(&self) -> Result<Vec<PathBuf>, VolumeError> {
        let failed =
            |source| VolumeError::Directory { action: "list", path: self.root.clone(), source };
        self.resume_removals()?;
        let mut left = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == TRASH {
                continue;
            }
            if self.database.read(|c| Ok::<_, VolumeError>(table::get(c, &name)?))?.is_some() {
                continue;
            }
            // `remove_dir` refuses a directory with content.
            let is_gone = match fs::remove_dir(path.join("_data")) {
                Ok(()) => fs::remove_dir(&path).is_ok(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::remove_dir(&path).is_ok()
                }
                Err(_) => false,
            };
            if !is_gone {
                left.push(path);
            }
        }
        Ok(left)
    }

    fn resume_removals(&self) -> Result<(), VolumeError> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| VolumeError::Directory { action, path, source }
        };
        let entries = self.trash.entries().map_err(failed("list", &self.root.join(TRASH)))?;
        // The newest first: older ones of the same name are of volumes that were removed before.
        for entry in entries.into_iter().rev() {
            let row = self.database.read(|c| Ok::<_, VolumeError>(table::get(c, &entry.name)?))?;
            let path = self.root.join(&entry.name);
            if row.is_some() && !path.exists() {
                tracing::info!(volume = entry.name, "undoing a removal that was cut off");
                fs::rename(&entry.path, &path).map_err(failed("restore", &path))?;
            } else {
                self.trash.delete(entry.path);
            }
        }
        Ok(())
    }

    /// Waits until the space of removed volumes is free.
    pub fn settle(&self) {
        self.trash.settle();
    }

    fn volume(&self, row: VolumeRow) -> Volume {
        let mountpoint = self.root.join(&row.name).join("_data");
        Volume {
            name: row.name,
            driver: row.driver,
            created_nanos: row.created_nanos,
            is_anonymous: row.is_anonymous,
            labels: row.labels,
            options: row.options,
            mountpoint,
        }
    }
}

fn new_row(wanted: NewVolume) -> Result<VolumeRow, VolumeError> {
    let is_anonymous = wanted.name.is_none();
    let name = match wanted.name {
        Some(name) => name.to_string(),
        None => ContainerId::random().to_string(),
    };
    let mut labels = wanted.labels;
    if is_anonymous {
        labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
    }
    if !matches!(wanted.driver.as_str(), "" | "local") {
        return Err(VolumeError::Driver(wanted.driver));
    }
    for option in wanted.options.keys() {
        if !matches!(option.as_str(), "type" | "o" | "device" | "size") {
            return Err(VolumeError::Option { name, option: option.clone() });
        }
    }
    if !wanted.options.is_empty() {
        return Err(VolumeError::MountOptions { name });
    }
    Ok(VolumeRow {
        name,
        driver: "local".to_owned(),
        created_nanos: now_nanos(),
        is_anonymous,
        labels,
        options: wanted.options,
    })
}

fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn make_dir(path: &Path, mode: u32) -> Result<(), VolumeError> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => {
            Err(VolumeError::Directory { action: "create", path: path.to_owned(), source })
        }
    }
}

/// Sums the blocks below `root`, without following symbolic links or crossing file systems.
fn usage_bytes(root: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(top) = fs::symlink_metadata(root) else { return 0 };
    let mut seen = std::collections::HashSet::new();
    let mut pending = vec![root.to_owned()];
    let mut bytes = 0;
    while let Some(dir) = pending.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != top.dev()
                || (meta.nlink() > 1 && !meta.is_dir() && !seen.insert(meta.ino()))
            {
                continue;
            }
            bytes += meta.size();
            if meta.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    bytes
}
