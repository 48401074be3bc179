//! Removal in two steps: out of sight at once, off the disk in the background.
//!
//! Deleting a tree takes as long as the disk likes; renaming its top does not. What is [`put`]
//! here has lost its name when the call returns, comes back unless its removal is confirmed by
//! [`Discarded::delete`], and is deleted by a thread that lives only while there is something to
//! delete. After a crash the directory says what is left to do: see [`Trash::entries`].
//!
//! ```text
//! DIR/NAME~STAMP    what was called NAME
//! ```
//! A name with `~` in it cannot be told from a stamp: callers' names have none.
//!
//! [`put`]: Trash::put

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::removal::remove_tree;

/// Told of what cannot be deleted; it stays for the next start.
pub type OnFailure = fn(&Path, &io::Error);

/// A directory of things to be deleted; cheap to clone.
#[derive(Debug, Clone)]
pub struct Trash {
    dir: PathBuf,
    work: Arc<Work>,
}

/// Something whose removal is not confirmed yet: dropping this puts it back.
#[derive(Debug)]
#[must_use = "dropping it puts the thing back"]
pub struct Discarded {
    origin: PathBuf,
    /// Where it is; none when there was nothing.
    held: Option<PathBuf>,
    trash: Trash,
}

/// Something that an earlier process left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it was called.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

#[derive(Debug)]
struct Work {
    queue: Mutex<Queue>,
    idle: Condvar,
    on_failure: OnFailure,
}

#[derive(Debug, Default)]
struct Queue {
    pending: VecDeque<PathBuf>,
    is_worked_on: bool,
}

impl Trash {
    /// Uses `dir`, which is made when absent. Nothing in it is touched.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(dir: PathBuf, on_failure: OnFailure) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let work = Work { queue: Mutex::default(), idle: Condvar::new(), on_failure };
        Ok(Self { dir, work: Arc::new(work) })
    }

    /// Takes `path` away by one rename; something that is not there is no error.
    ///
    /// # Errors
    /// Of the rename: `path` must be on the same file system and no mount point.
    pub fn put(&self, path: &Path) -> io::Result<Discarded> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let held = self.dir.join(format!("{}~{}", name.to_string_lossy(), stamp()));
        let held = match fs::rename(path, &held) {
            Ok(()) => Some(held),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Discarded { origin: path.to_owned(), held, trash: self.clone() })
    }

    /// What is in the directory, oldest first. Meant for the start: what others are about to
    /// confirm or put back is listed too.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort();
        let entry = |path: PathBuf| {
            let full = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = full.rsplit_once('~').map_or(full.as_str(), |(name, _)| name).to_owned();
            Entry { name, path }
        };
        Ok(paths.into_iter().map(entry).collect())
    }

    /// Deletes an entry in the background.
    pub fn delete(&self, path: PathBuf) {
        let mut queue = self.work.lock();
        queue.pending.push_back(path);
        if queue.is_worked_on {
            return;
        }
        queue.is_worked_on = true;
        drop(queue);
        let work = Arc::clone(&self.work);
        // Its owner is the queue: it ends when that is empty, and a process may end before.
        let spawned = thread::Builder::new().name("trash".into()).spawn(move || work.run());
        if spawned.is_err() {
            // No thread to be had: the caller waits instead.
            self.work.run();
        }
    }

    /// Deletes in the background whatever earlier processes left.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn empty(&self) -> io::Result<()> {
        self.entries()?.into_iter().for_each(|entry| self.delete(entry.path));
        Ok(())
    }

    /// Waits until everything that was to be deleted is off the disk.
    pub fn settle(&self) {
        let mut queue = self.work.lock();
        while queue.is_worked_on {
            queue = self.work.idle.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Discarded {
    /// Confirms the removal.
    pub fn delete(mut self) {
        if let Some(held) = self.held.take() {
            self.trash.delete(held);
        }
    }

    /// Whether there was anything.
    #[must_use]
    pub fn is_something(&self) -> bool {
        self.held.is_some()
    }
}

impl Drop for Discarded {
    fn drop(&mut self) {
        if let Some(held) = self.held.take()
            && let Err(error) = fs::rename(&held, &self.origin)
        {
            (self.trash.work.on_failure)(&held, &error);
        }
    }
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock panics.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let path = {
                let mut queue = self.lock();
                let Some(path) = queue.pending.pop_front() else {
                    queue.is_worked_on = false;
                    self.idle.notify_all();
                    return;
                };
                path
            };
            if let Err(error) = remove_tree(&path) {
                (self.on_failure)(&path, &error);
            }
        }
    }
}

/// Sorts by time and is never the same twice, not even over processes with one pid.
fn stamp() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:020}-{number}", now.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trash(dir: &Path) -> Trash {
        Trash::open(dir.join(".removed"), |path, error| panic!("{}: {error}", path.display()))
            .unwrap()
    }

    fn tree(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/file"), "content").unwrap();
        path
    }

    #[test]
    fn what_is_put_loses_its_name_and_comes_back_unless_confirmed() {
        let dir = tempfile::tempdir().unwrap();
        let trash = trash(dir.path());
        let path = tree(dir.path(), "one");
        let discarded = trash.put(&path).unwrap();
        assert!(!path.exists() && discarded.is_something());
        drop(discarded);
        assert_eq!(fs::read_to_string(path.join("a/file")).unwrap(), "content");
        trash.put(&path).unwrap().delete();
        trash.settle();
        assert!(!path.exists());
        assert_eq!(trash.entries().unwrap(), []);
        assert!(!trash.put(&path).unwrap().is_something());
    }

    #[test]
    fn the_next_process_finds_what_was_left_by_its_name_and_empties_it() {
        let dir = tempfile::tempdir().unwrap();
        let former = trash(dir.path());
        for _ in 0..2 {
            let path = tree(dir.path(), "same.name-1");
            // As a crash leaves it: neither confirmed nor put back.
            std::mem::forget(former.put(&path).unwrap());
        }
        let next = trash(dir.path());
        let entries = next.entries().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|entry| entry.name == "same.name-1" && entry.path.exists()));
        next.empty().unwrap();
        next.settle();
        assert_eq!(next.entries().unwrap(), []);
    }
}
