//! How an upper directory differs from the layers below it.
//!
//! Both sides are walked together: for each directory of the upper, the directories that the
//! layers merge at its place, topmost first. The rules are Docker's:
//! - a directory is in the list when its mode, owner or time differs or when something directly
//!   in it was added or deleted, not for being on the way to a change further below;
//! - of a deleted directory, and of one that was replaced, only the top is named;
//! - an opaque directory is compared with what it hides: what is not there again was deleted.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Stat};

use crate::{
    Change, ChangeKind,
    apply::whiteout::{is_opaque, is_whiteout},
    tree,
};

/// Lists the changes of `upper` over `lower` (topmost first), sorted by path.
pub(crate) fn list(upper: BorrowedFd<'_>, lower: Vec<OwnedFd>) -> io::Result<Vec<Change>> {
    let mut comparison = Comparison { changes: Vec::new() };
    comparison.directory(Path::new("/"), upper, &lower)?;
    // By bytes, as Docker does; paths themselves compare by components.
    comparison
        .changes
        .sort_unstable_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    Ok(comparison.changes)
}

struct Comparison {
    changes: Vec<Change>,
}

/// What the layers show at a path.
enum Below {
    Nothing,
    /// Anything but a directory.
    File,
    /// The directories that are merged there, and the attributes of the topmost.
    Directory(Vec<OwnedFd>, Box<Stat>),
}

impl Comparison {
    /// Compares a directory's entries; tells whether one was added or deleted.
    fn directory(
        &mut self,
        path: &Path,
        upper: BorrowedFd<'_>,
        lower: &[OwnedFd],
    ) -> io::Result<bool> {
        tree::check_depth(path.components().count())?;
        let names = tree::names(upper)?;
        let mut has_new_entries = false;
        for name in &names {
            let Some(stat) = tree::if_present(tree::stat(upper, name))? else { continue };
            let kind = self.entry(&path.join(name), (upper, name), &stat, lower)?;
            has_new_entries |= matches!(kind, Some(ChangeKind::Added | ChangeKind::Deleted));
        }
        if is_opaque(upper)? {
            for hidden in hidden_names(lower, &names)? {
                self.push(path.join(hidden), ChangeKind::Deleted);
                has_new_entries = true;
            }
        }
        Ok(has_new_entries)
    }

    fn entry(
        &mut self,
        path: &Path,
        (dir, name): (BorrowedFd<'_>, &OsStr),
        stat: &Stat,
        lower: &[OwnedFd],
    ) -> io::Result<Option<ChangeKind>> {
        let below = look_below(lower, name)?;
        if is_whiteout(stat) {
            // Without anything to hide it is a left-over, and no change.
            let is_hiding = !matches!(below, Below::Nothing);
            return Ok(is_hiding.then(|| self.push(path.to_owned(), ChangeKind::Deleted)));
        }
        let is_directory = tree::kind(stat) == FileType::Directory;
        match below {
            Below::Directory(merged, old) if is_directory => {
                self.merged_directory(path, (dir, name), (stat, &old), &merged)
            }
            Below::Nothing => self.new_entry(path, (dir, name), is_directory, ChangeKind::Added),
            _ => self.new_entry(path, (dir, name), is_directory, ChangeKind::Modified),
        }
    }

    fn merged_directory(
        &mut self,
        path: &Path,
        (dir, name): (BorrowedFd<'_>, &OsStr),
        (new, old): (&Stat, &Stat),
        merged: &[OwnedFd],
    ) -> io::Result<Option<ChangeKind>> {
        let Some(upper) = tree::if_present(tree::open_dir(dir, name))? else { return Ok(None) };
        let has_new_entries = self.directory(path, upper.as_fd(), merged)?;
        if has_new_entries || !has_same_attributes(new, old) {
            return Ok(Some(self.push(path.to_owned(), ChangeKind::Modified)));
        }
        Ok(None)
    }

    /// Notes an entry that no directory of the layers is merged with.
    fn new_entry(
        &mut self,
        path: &Path,
        (dir, name): (BorrowedFd<'_>, &OsStr),
        is_directory: bool,
        kind: ChangeKind,
    ) -> io::Result<Option<ChangeKind>> {
        if is_directory && let Some(upper) = tree::if_present(tree::open_dir(dir, name))? {
            self.directory(path, upper.as_fd(), &[])?;
        }
        Ok(Some(self.push(path.to_owned(), kind)))
    }

    fn push(&mut self, path: PathBuf, kind: ChangeKind) -> ChangeKind {
        self.changes.push(Change { path, kind });
        kind
    }
}

fn has_same_attributes(a: &Stat, b: &Stat) -> bool {
    (a.st_mode, a.st_uid, a.st_gid) == (b.st_mode, b.st_uid, b.st_gid)
        && (a.st_mtime, a.st_mtime_nsec) == (b.st_mtime, b.st_mtime_nsec)
}

/// Finds what the merged directories `lower`, topmost first, show as `name`.
fn look_below(lower: &[OwnedFd], name: &OsStr) -> io::Result<Below> {
    let mut merged = Vec::new();
    let mut top = None;
    for dir in lower {
        let Some(stat) = tree::if_present(tree::stat(dir.as_fd(), name))? else { continue };
        if tree::kind(&stat) != FileType::Directory {
            if top.is_none() && !is_whiteout(&stat) {
                return Ok(Below::File);
            }
            break;
        }
        let child = tree::open_dir(dir.as_fd(), name)?;
        let hides_the_rest = is_opaque(child.as_fd())?;
        top.get_or_insert(Box::new(stat));
        merged.push(child);
        if hides_the_rest {
            break;
        }
    }
    Ok(top.map_or(Below::Nothing, |stat| Below::Directory(merged, stat)))
}

/// Lists what the layers show in a directory beyond the sorted names `present`.
fn hidden_names(lower: &[OwnedFd], present: &[OsString]) -> io::Result<Vec<OsString>> {
    let mut hidden = Vec::new();
    for dir in lower {
        for name in tree::names(dir.as_fd())? {
            if present.binary_search(&name).is_err()
                && !matches!(look_below(lower, &name)?, Below::Nothing)
            {
                hidden.push(name);
            }
        }
    }
    hidden.sort_unstable();
    hidden.dedup();
    Ok(hidden)
}
