//! Removal of directory trees of any shape with a constant number of file descriptors.
//!
//! A container may nest directories deeper than a stack or the descriptor limit allows. So
//! nothing is descended into: every nested directory is first moved up into the top directory,
//! which is emptied until nothing is left. An interrupted removal can simply be repeated.
//! Symbolic links are removed, never followed; mount points make it fail with `EBUSY`.

use std::{
    ffi::{CStr, CString},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags},
    io::Errno,
};

/// Names handled per pass over the top directory: bounds memory.
const BATCH: usize = 4096;

/// Removes `name` in `dir`, whatever it is, with everything below it.
///
/// Returns without error when there is no such entry.
///
/// # Errors
/// The first failure of a system call; what was removed by then stays removed.
pub fn remove_entry(dir: BorrowedFd<'_>, name: &std::ffi::OsStr) -> io::Result<()> {
    let name = CString::new(name.as_bytes())?;
    match fs::unlinkat(dir, name.as_c_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::unlinkat(dir, name.as_c_str(), AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let top = open_dir(dir, &name)?;
    Flattener { top, moved: 0 }.empty()?;
    fs::unlinkat(dir, name.as_c_str(), AtFlags::REMOVEDIR)?;
    Ok(())
}

/// Removes the tree at `path`; nothing happens when it is absent.
///
/// # Errors
/// As [`remove_entry`]; `InvalidInput` when the path has no last component.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
    match fs::open(parent, flags, Mode::empty()) {
        Ok(dir) => remove_entry(dir.as_fd(), name),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    fs::openat(dir, name, flags, Mode::empty())
}

struct Flattener {
    top: OwnedFd,
    moved: u64,
}

impl Flattener {
    fn empty(&mut self) -> io::Result<()> {
        loop {
            let batch = entries(self.top.as_fd(), BATCH)?;
            if batch.is_empty() {
                return Ok(());
            }
            for (name, kind) in batch {
                self.remove_child(&name, kind)?;
            }
        }
    }

    fn remove_child(&mut self, name: &CStr, kind: FileType) -> io::Result<()> {
        if kind != FileType::Directory {
            match fs::unlinkat(&self.top, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::ISDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if fs::unlinkat(&self.top, name, AtFlags::REMOVEDIR).is_ok() {
            return Ok(());
        }
        let child = open_dir(self.top.as_fd(), name)?;
        loop {
            let batch = entries(child.as_fd(), BATCH)?;
            if batch.is_empty() {
                break;
            }
            for (entry, kind) in batch {
                self.remove_grandchild(&child, &entry, kind)?;
            }
        }
        fs::unlinkat(&self.top, name, AtFlags::REMOVEDIR)?;
        Ok(())
    }

    fn remove_grandchild(&mut self, dir: &OwnedFd, name: &CStr, kind: FileType) -> io::Result<()> {
        if kind != FileType::Directory {
            match fs::unlinkat(dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::ISDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if fs::unlinkat(dir, name, AtFlags::REMOVEDIR).is_ok() {
            return Ok(());
        }
        self.move_up(dir, name)
    }

    fn move_up(&mut self, dir: &OwnedFd, name: &CStr) -> io::Result<()> {
        loop {
            self.moved += 1;
            let new = format!(".moved-{}", self.moved);
            match fs::renameat_with(dir, name, &self.top, new, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn entries(dir: BorrowedFd<'_>, limit: usize) -> io::Result<Vec<(CString, FileType)>> {
    let mut found = Vec::new();
    let mut stream = Dir::read_from(dir)?;
    while found.len() < limit
        && let Some(entry) = stream.read()
    {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            found.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_trees_deeper_than_a_path_can_be_and_leaves_link_targets() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("kept"), "x").unwrap();
        let top = temp.path().join("tree");
        std::fs::create_dir(&top).unwrap();
        let mut at: OwnedFd =
            fs::open(&top, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        for depth in 0..3000 {
            fs::mkdirat(&at, "a-directory", Mode::from_raw_mode(0o700)).unwrap();
            fs::symlinkat("../../kept", &at, "link").unwrap();
            if depth % 100 == 0 {
                fs::mkdirat(&at, ".moved-3", Mode::from_raw_mode(0)).unwrap();
                fs::mkdirat(&at, ".moved-3/in", Mode::from_raw_mode(0)).unwrap();
            }
            at = open_dir(at.as_fd(), c"a-directory").unwrap();
        }
        drop(at);
        remove_tree(&top).unwrap();
        assert!(!top.exists());
        assert!(temp.path().join("kept").exists());
        remove_tree(&top).unwrap();
    }
}
