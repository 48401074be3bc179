//! Layers on disk.
//!
//! ```text
//! ROOT/layers/HEX/diff      the layer's files, with whiteouts in overlayfs' form
//! ROOT/layers/HEX/record    "gantry-layer 1\nsize_bytes N\nboot ID\n": unpacked whole, and when
//! ROOT/layers/HEX/synced    exists once the layer survives a crash of the machine
//! ROOT/layers/.tmp-*        being unpacked or removed; swept at the next start
//! ```
//!
//! A layer appears under its name by one rename, complete. Its bytes may then still be in memory
//! only; the record names the boot in which it was unpacked, and a layer of an earlier boot that
//! was never synced is not trusted.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use content::Hasher;
use sys::removal::remove_tree;
use types::{Digest, digest::Algorithm};

use crate::{Limits, SnapshotError, Unpacked, apply, pipeline, tar, tree};

const HEADING: &str = "gantry-layer 1";
pub(crate) const TEMPORARY: &str = ".tmp-";

/// The directory of layers.
#[derive(Debug)]
pub(crate) struct Layers {
    root: PathBuf,
    boot: String,
    /// One lock for each layer that is being worked on.
    flights: Mutex<HashMap<Digest, Arc<Mutex<()>>>>,
}

/// What is known about a layer.
struct Record {
    size_bytes: u64,
    boot: String,
}

/// A directory that vanishes unless it is given a name.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = remove_tree(path)
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove an unfinished layer");
        }
    }
}

/// A path beside others that nothing else uses.
pub(crate) fn temporary_path(dir: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    dir.join(format!("{TEMPORARY}{}-{number}", process::id()))
}

impl Layers {
    pub(crate) fn open(root: PathBuf) -> Result<Self, SnapshotError> {
        const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
        fs::create_dir_all(&root).map_err(SnapshotError::io("make directory", &root))?;
        let boot = fs::read_to_string(BOOT_ID).map_err(SnapshotError::io("read", BOOT_ID))?;
        Ok(Self { root, boot: boot.trim().to_owned(), flights: Mutex::default() })
    }

    /// Removes what an earlier process left unfinished, and what an earlier boot left unsynced.
    pub(crate) fn sweep(&self) -> Result<(), SnapshotError> {
        for entry in read_dir(&self.root)? {
            let is_temporary = entry.to_string_lossy().starts_with(TEMPORARY);
            let path = self.root.join(&entry);
            let is_trusted = path.join("synced").exists()
                || read_record(&path)?.is_some_and(|record| record.boot == self.boot);
            if is_temporary || !is_trusted {
                tracing::info!(path = %path.display(), "removing an unfinished layer");
                self.discard(&path)?;
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self, diff_id: &Digest) -> PathBuf {
        self.root.join(diff_id.hex())
    }

    pub(crate) fn diff(&self, diff_id: &Digest) -> PathBuf {
        self.path(diff_id).join("diff")
    }

    pub(crate) fn contains(&self, diff_id: &Digest) -> Result<bool, SnapshotError> {
        let path = self.path(diff_id);
        path.try_exists().map_err(SnapshotError::io("look for", path))
    }

    /// Fails unless the layer stands.
    pub(crate) fn require(&self, diff_id: &Digest) -> Result<(), SnapshotError> {
        if self.contains(diff_id)? {
            Ok(())
        } else {
            Err(SnapshotError::LayerNotFound { diff_id: diff_id.clone() })
        }
    }

    pub(crate) fn size(&self, diff_id: &Digest) -> Result<u64, SnapshotError> {
        self.require(diff_id)?;
        let path = self.path(diff_id);
        let record = read_record(&path)?;
        Ok(record.ok_or(SnapshotError::Damaged { path: path.join("record") })?.size_bytes)
    }

    pub(crate) fn list(&self) -> Result<Vec<Digest>, SnapshotError> {
        let names = read_dir(&self.root)?;
        let mut digests: Vec<Digest> =
            names.iter().filter_map(|name| digest(name.to_str()?)).collect();
        digests.sort_unstable();
        Ok(digests)
    }

    pub(crate) fn unpack(
        &self,
        expected: Option<&Digest>,
        archive: &mut (dyn Read + Send),
        limits: &Limits,
    ) -> Result<Unpacked, SnapshotError> {
        let Some(expected) = expected else { return self.unpack_now(None, archive, limits) };
        let flight = self.flight(expected);
        let guard = flight.lock().unwrap_or_else(PoisonError::into_inner);
        let result = if self.contains(expected)? {
            let size_bytes = self.size(expected)?;
            Ok(Unpacked { diff_id: expected.clone(), size_bytes })
        } else {
            self.unpack_now(Some(expected), archive, limits)
        };
        drop(guard);
        self.land(expected, flight);
        result
    }

    fn flight(&self, diff_id: &Digest) -> Arc<Mutex<()>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(flights.entry(diff_id.clone()).or_default())
    }

    /// Forgets the lock when nobody else waits for it.
    fn land(&self, diff_id: &Digest, flight: Arc<Mutex<()>>) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(&flight) == 2 {
            flights.remove(diff_id);
        }
    }

    fn unpack_now(
        &self,
        expected: Option<&Digest>,
        archive: &mut (dyn Read + Send),
        limits: &Limits,
    ) -> Result<Unpacked, SnapshotError> {
        let temporary = Temporary(Some(temporary_path(&self.root)));
        let diff = temporary.path().join("diff");
        make_dir(temporary.path(), 0o700)?;
        make_dir(&diff, 0o755)?;
        let algorithm = expected.map_or(Algorithm::Sha256, Digest::algorithm);
        let (applied, actual) = pipeline::run(archive, Hasher::new(algorithm), |stream| {
            apply::apply(&mut tar::Reader::new(stream, limits), &diff, limits)
        });
        let applied = applied?;
        if let Some(expected) = expected.filter(|expected| **expected != actual) {
            return Err(SnapshotError::DiffIdMismatch { expected: expected.clone(), actual });
        }
        let size_bytes = if applied.has_replaced { measure(&diff)? } else { applied.file_bytes };
        self.write_record(temporary.path(), size_bytes)?;
        self.publish(temporary, actual, size_bytes)
    }

    fn publish(
        &self,
        mut temporary: Temporary,
        diff_id: Digest,
        size_bytes: u64,
    ) -> Result<Unpacked, SnapshotError> {
        let target = self.path(&diff_id);
        match fs::rename(temporary.path(), &target) {
            Ok(()) => temporary.0 = None,
            // Somebody was faster: equal content, ours goes.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) => {}
            Err(error) => return Err(SnapshotError::io("publish layer", target)(error)),
        }
        Ok(Unpacked { diff_id, size_bytes })
    }

    fn write_record(&self, dir: &Path, size_bytes: u64) -> Result<(), SnapshotError> {
        let path = dir.join("record");
        let text = format!("{HEADING}\nsize_bytes {size_bytes}\nboot {}\n", self.boot);
        fs::write(&path, text).map_err(SnapshotError::io("write", path))
    }

    pub(crate) fn sync(&self, layers: &[Digest]) -> Result<(), SnapshotError> {
        let mut pending = Vec::new();
        for diff_id in layers {
            self.require(diff_id)?;
            let path = self.path(diff_id);
            if !path.join("synced").exists() {
                pending.push(path);
            }
        }
        if pending.is_empty() {
            return Ok(());
        }
        // One flush of the file system: a layer has thousands of files, and each fsync waits.
        let root = open(&self.root)?;
        rustix::fs::syncfs(&root).map_err(SnapshotError::io("flush", &self.root))?;
        pending.iter().try_for_each(|path| mark_synced(path))
    }

    pub(crate) fn remove(&self, diff_id: &Digest) -> Result<(), SnapshotError> {
        let flight = self.flight(diff_id);
        let guard = flight.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.require(diff_id).and_then(|()| self.discard(&self.path(diff_id)));
        drop(guard);
        self.land(diff_id, flight);
        result
    }

    /// Takes the name away first, so that an interrupted removal leaves no half of a layer.
    fn discard(&self, path: &Path) -> Result<(), SnapshotError> {
        let doomed = temporary_path(&self.root);
        fs::rename(path, &doomed).map_err(SnapshotError::io("remove", path))?;
        remove_tree(&doomed).map_err(SnapshotError::io("remove", doomed))
    }
}

pub(crate) fn read_dir(path: &Path) -> Result<Vec<std::ffi::OsString>, SnapshotError> {
    fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(SnapshotError::io("list", path))
}

pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), SnapshotError> {
    fs::create_dir(path)
        // Regardless of the umask.
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(SnapshotError::io("make directory", path))
}

pub(crate) fn open(path: &Path) -> Result<File, SnapshotError> {
    File::open(path).map_err(SnapshotError::io("open", path))
}

fn measure(diff: &Path) -> Result<u64, SnapshotError> {
    let usage = tree::usage(open(diff)?.as_fd());
    Ok(usage.map_err(SnapshotError::io("measure", diff))?.size_bytes)
}

fn mark_synced(dir: &Path) -> Result<(), SnapshotError> {
    let path = dir.join("synced");
    File::create(&path)
        .and_then(|file| file.sync_all())
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(SnapshotError::io("flush", path))
}

/// Reads a layer's record; `None` when it is missing or damaged.
fn read_record(dir: &Path) -> Result<Option<Record>, SnapshotError> {
    let path = dir.join("record");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SnapshotError::io("read", path)(error)),
    };
    Ok(parse_record(&text))
}

fn parse_record(text: &str) -> Option<Record> {
    let mut lines = text.lines();
    lines.next().filter(|heading| *heading == HEADING)?;
    let size_bytes = lines.next()?.strip_prefix("size_bytes ")?.parse().ok()?;
    let boot = lines.next()?.strip_prefix("boot ")?.to_owned();
    Some(Record { size_bytes, boot })
}

/// The digest that a layer's directory is named by; its length tells the algorithm.
fn digest(name: &str) -> Option<Digest> {
    let algorithm = if name.len() == 128 { Algorithm::Sha512 } else { Algorithm::Sha256 };
    format!("{}:{name}", algorithm.as_str()).parse().ok()
}
