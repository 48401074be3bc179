//! Paths of a container's root, resolved so that nothing in an image can lead outside.
//!
//! Every lookup is `openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)`: `..` and absolute symbolic
//! links end at the container's root, whatever the image put there and whatever a process changes
//! meanwhile. What is found is a descriptor, and mounts are attached to descriptors, so the place
//! that was checked is the place that is used (CVE-2019-19921, CVE-2021-30465, CVE-2025-52565).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::{Errno, Result},
    mount::{MoveMountFlags, OpenTreeFlags},
};

/// As many symbolic links as the kernel follows in one path.
const MAX_LINKS: u32 = 40;

/// A container's root.
#[derive(Debug)]
pub(crate) struct Tree(OwnedFd);

impl Tree {
    /// Takes the root of a mount.
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self(root)
    }

    /// The root itself.
    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn open(&self, path: &str, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
        let path = path.trim_start_matches('/');
        let path = if path.is_empty() { "." } else { path };
        let flags = flags | OFlags::CLOEXEC;
        let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            // EAGAIN: a rename raced with the lookup of a `..`; the kernel could not be sure.
            match rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
    }

    /// Refers to what is at `path`, following symbolic links within the root.
    pub(crate) fn find(&self, path: &str) -> Result<OwnedFd> {
        self.open(path, OFlags::PATH, ResolveFlags::empty())
    }

    /// As [`Tree::find`], refusing symbolic links altogether.
    pub(crate) fn find_plain(&self, path: &str) -> Result<OwnedFd> {
        self.open(path, OFlags::PATH, ResolveFlags::NO_SYMLINKS)
    }

    /// Opens what is at `path` for reading or writing.
    pub(crate) fn open_for_use(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        self.open(path, flags, ResolveFlags::empty())
    }

    /// The directory at `path`, with it and its parents made where they are missing. A symbolic
    /// link to nothing has its target made, within the root.
    pub(crate) fn make_directory(&self, path: &str) -> Result<OwnedFd> {
        self.make_directory_within(path, MAX_LINKS)
    }

    fn make_directory_within(&self, path: &str, links: u32) -> Result<OwnedFd> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY, ResolveFlags::empty()) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
        let (parent_path, name) = split(path)?;
        let parent = self.make_directory_within(parent_path, links)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                if let Some(target) = link_target(&parent, parent_path, name)? {
                    let links = links.checked_sub(1).ok_or(Errno::LOOP)?;
                    return self.make_directory_within(&target, links);
                }
            }
            Err(e) => return Err(e),
        }
        // The last name alone, in the parent that is held: not a symbolic link.
        rustix::fs::openat(
            &parent,
            name,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    /// What is at `path`; a missing one becomes an empty file to mount over.
    pub(crate) fn make_file(&self, path: &str) -> Result<OwnedFd> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            match self.find(&path) {
                Err(Errno::NOENT) => {}
                result => return result,
            }
            let (parent_path, name) = split(&path)?;
            let parent = self.make_directory(parent_path)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644)) {
                Err(Errno::EXIST) => match link_target(&parent, parent_path, name)? {
                    Some(target) => path = target,
                    None => return Err(Errno::EXIST),
                },
                result => return result,
            }
        }
        Err(Errno::LOOP)
    }

    /// The directory that holds the last component of `path`, and that component.
    pub(crate) fn make_parent<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str)> {
        let (parent, name) = split(path)?;
        Ok((self.make_directory(parent)?, name))
    }
}

fn split(path: &str) -> Result<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name.is_empty() || name == "." || name == ".." {
        return Err(Errno::INVAL);
    }
    Ok((parent, name))
}

/// Where the symbolic link `name` leads, as a path from the root; `None`: it is none.
fn link_target(parent: &OwnedFd, parent_path: &str, name: &str) -> Result<Option<String>> {
    match rustix::fs::readlinkat(parent, name, Vec::new()) {
        Ok(target) => {
            let target = target.into_string().map_err(|_| Errno::ILSEQ)?;
            let is_absolute = target.starts_with('/');
            Ok(Some(if is_absolute { target } else { format!("{parent_path}/{target}") }))
        }
        Err(Errno::INVAL) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Attaches a detached mount at what `target` refers to.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    rustix::mount::move_mount(
        mount,
        "",
        target,
        "",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )
}

/// A detached copy of the mount at `source`, as a bind mount of that reach is.
pub(crate) fn clone_mount(
    source: BorrowedFd<'_>,
    reach: crate::mount_options::Bind,
) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if reach == crate::mount_options::Bind::Tree {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(source, "", flags)
}
