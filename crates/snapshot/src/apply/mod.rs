//! Applying a layer archive to an empty directory that overlayfs will stack.
//!
//! Whatever the archive says, nothing outside the directory is touched: names are normalised
//! (an absolute path loses its slash, one that climbs above the root is refused), parents are
//! resolved with [`sys::confine::Root`], so that links planted earlier in the archive lead around
//! within the directory as they will in the container, and the last component is always made
//! anew, never followed or written through.
//!
//! - Whiteouts (`.wh.NAME`) become character devices 0:0 and `.wh..wh..opq` the attribute
//!   `trusted.overlay.opaque`; both concern the layers below only, so a file of the same archive
//!   stays, and a directory of the same name becomes opaque. AUFS' own files (`.wh..wh.*`) are
//!   skipped. Nothing may lie below a whiteout.
//! - Of entries with the same path the later wins; a directory stays and gets the new attributes.
//!   A link to a directory is replaced by a directory of the same name, as in Docker.
//! - Missing parents are made with mode 0755, owned by root.
//! - Attributes kept: `user.*`, `trusted.*`, `security.capability`, POSIX ACLs. Never
//!   `trusted.overlay.*` and `user.overlay.*`: they would change what the kernel stacks. Others
//!   (SELinux labels of another host) are left out.
//! - Modification times of directories are set when everything is in them.
//!
//! Source: OCI image-spec 1.1, layer.md.

pub(crate) mod attributes;
pub(crate) mod extract;
mod name;
pub(crate) mod whiteout;

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufRead},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use sys::{
    confine::{Node, Root, mknod_at},
    removal::remove_entry,
    xattr::Target,
};

use crate::{
    ArchiveError, Limits,
    tar::{Entry, Kind, Reader, Timestamp},
};
use attributes::Attributes;
use name::{Name, Place};

/// What an archive made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The lengths of all files that were written.
    pub(crate) file_bytes: u64,
    /// Whether some of them were replaced again, so that the sum is too large.
    pub(crate) has_replaced: bool,
}

/// Applies an archive to the directory `root`, which is empty.
///
/// # Errors
/// [`ArchiveError`]; what was made by then is there, for the caller to remove.
pub(crate) fn apply<R: BufRead>(
    reader: &mut Reader<'_, R>,
    root: &Path,
    limits: &Limits,
) -> Result<Applied, ArchiveError> {
    let root = Root::open(root).map_err(|source| ArchiveError::Entry {
        entry: "/".to_owned(),
        action: "open",
        source,
    })?;
    let mut applier = Applier {
        root,
        limits,
        form: Form::Layer,
        parent: None,
        directories: Vec::new(),
        devices: 0,
        applied: Applied { file_bytes: 0, has_replaced: false },
    };
    while let Some(entry) = reader.next_entry()? {
        applier.apply(&entry, reader)?;
    }
    reader.drain()?;
    applier.finish()
}

/// How the archive is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Whiteouts mean what they say.
    Layer,
    /// No name is special; everything goes below `base`.
    Tree { base: PathBuf, collision: extract::Collision },
}

struct Applier<'l> {
    root: Root,
    limits: &'l Limits,
    form: Form,
    /// The directory of the entry before: archives list a directory's entries together.
    parent: Option<(PathBuf, OwnedFd)>,
    /// Modification times that are due when nothing is written any more.
    directories: Vec<(PathBuf, Timestamp)>,
    devices: u64,
    applied: Applied,
}

/// Where an entry is made.
struct Spot<'a> {
    dir: BorrowedFd<'a>,
    name: &'a OsStr,
}

impl Applier<'_> {
    fn apply<R: BufRead>(
        &mut self,
        entry: &Entry,
        reader: &mut Reader<'_, R>,
    ) -> Result<(), ArchiveError> {
        let at = Context(entry);
        match self.place(entry)? {
            Place::Skipped => Ok(()),
            Place::Root => self.apply_root(entry),
            Place::Opaque(dir) => {
                let (path, dir) = self.open_parent(&dir, &at)?;
                whiteout::mark_opaque(dir.as_fd()).map_err(at.failed("mark as opaque"))?;
                self.parent = Some((path, dir));
                Ok(())
            }
            Place::Whiteout(name) => self.with_parent(&name, &at, |_, spot| {
                whiteout::make(spot).map_err(at.failed("make whiteout"))
            }),
            Place::Named(name) => self.apply_named(entry, &name, reader),
        }
    }

    fn place(&self, entry: &Entry) -> Result<Place, ArchiveError> {
        let Form::Tree { base, .. } = &self.form else { return name::classify(entry, self.limits) };
        Ok(match name::plain(entry, self.limits)? {
            Place::Named(name) => Place::Named(name.below(base)),
            other => other,
        })
    }

    fn link_target(&self, entry: &Entry) -> Result<Name, ArchiveError> {
        match &self.form {
            Form::Layer => name::link_target(entry, self.limits),
            Form::Tree { base, .. } => Ok(name::plain_link_target(entry, self.limits)?.below(base)),
        }
    }

    fn base(&self) -> &Path {
        match &self.form {
            Form::Layer => Path::new(""),
            Form::Tree { base, .. } => base,
        }
    }

    /// Whether a directory may take the place of something else, and the other way round.
    fn may_change_kind(&self) -> bool {
        !matches!(self.form, Form::Tree { collision: extract::Collision::Refused, .. })
    }

    fn apply_root(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let at = Context(entry);
        if entry.kind != Kind::Directory {
            return Err(at.refused("the root of a layer is a directory"));
        }
        let dir = self.root.open_dir(self.base()).map_err(at.failed("open"))?;
        let root = Target::Open(dir.as_fd());
        Attributes::of(entry).set(root).map_err(at.failed("set attributes of"))?;
        self.directories.push((self.base().to_owned(), entry.mtime));
        Ok(())
    }

    fn apply_named<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &Name,
        reader: &mut Reader<'_, R>,
    ) -> Result<(), ArchiveError> {
        let at = Context(entry);
        match entry.kind {
            Kind::File => {
                self.with_parent(name, &at, |applier, spot| applier.file(entry, spot, reader))
            }
            Kind::Directory => {
                self.with_parent(name, &at, |applier, spot| applier.directory(entry, spot))?;
                self.directories.push((name.path(), entry.mtime));
                Ok(())
            }
            Kind::HardLink => {
                let target = self.link_target(entry)?;
                if target.path() == name.path() {
                    return Err(at.refused("a hard link to itself"));
                }
                self.with_parent(name, &at, |applier, spot| applier.hard_link(entry, &target, spot))
            }
            Kind::Symlink => {
                name::check_symlink(entry, self.limits)?;
                self.with_parent(name, &at, |applier, spot| applier.symlink(entry, spot))
            }
            Kind::Fifo => {
                self.with_parent(name, &at, |applier, spot| applier.node(entry, Node::Fifo, spot))
            }
            Kind::Character(major, minor) => self.with_parent(name, &at, |applier, spot| {
                applier.device(entry, Node::Character(major, minor), spot)
            }),
            Kind::Block(major, minor) => self.with_parent(name, &at, |applier, spot| {
                applier.device(entry, Node::Block(major, minor), spot)
            }),
        }
    }

    /// Calls `make` with the directory of `name` open; it is kept for the next entry.
    fn with_parent(
        &mut self,
        name: &Name,
        at: &Context<'_>,
        make: impl FnOnce(&mut Self, &Spot<'_>) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let parent = self.open_parent(&name.parent, at)?;
        let spot = Spot { dir: parent.1.as_fd(), name: &name.last };
        let before = self.applied.has_replaced;
        self.applied.has_replaced = false;
        let result = make(self, &spot);
        // What was replaced may have been a part of the path that is remembered.
        if !self.applied.has_replaced {
            self.parent = Some(parent);
        }
        self.applied.has_replaced |= before;
        result
    }

    fn open_parent(
        &mut self,
        path: &Path,
        at: &Context<'_>,
    ) -> Result<(PathBuf, OwnedFd), ArchiveError> {
        if let Some(known) = self.parent.take()
            && known.0 == path
        {
            return Ok(known);
        }
        let dir = match self.root.open_dir(path) {
            Ok(dir) => dir,
            Err(error) if is_missing(&error) => {
                self.make_parents(path).map_err(at.failed("make directory of"))?
            }
            Err(error) => return Err(at.failed("open directory of")(error)),
        };
        Ok((path.to_owned(), dir))
    }

    fn make_parents(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut so_far = PathBuf::new();
        let mut dir = self.root.as_fd().try_clone_to_owned()?;
        for name in path.iter() {
            so_far.push(name);
            dir = match self.root.open_dir(&so_far) {
                Ok(next) => next,
                Err(error) if is_missing(&error) => {
                    make_parent(&Spot { dir: dir.as_fd(), name })?;
                    self.root.open_dir(&so_far)?
                }
                Err(error) => return Err(error),
            };
        }
        Ok(dir)
    }

    fn file<R: BufRead>(
        &mut self,
        entry: &Entry,
        spot: &Spot<'_>,
        reader: &mut Reader<'_, R>,
    ) -> Result<(), ArchiveError> {
        let at = Context(entry);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = self
            .replace(spot, || fs::openat(spot.dir, spot.name, flags, Mode::from_raw_mode(0o600)))
            .map_err(at.failed("create file"))?;
        let file = File::from(file);
        write_data(entry, &file, reader)?;
        self.applied.file_bytes += entry.size;
        let target = Target::Open(file.as_fd());
        Attributes::of(entry).set(target).map_err(at.failed("set attributes of"))?;
        attributes::set_open_time(file.as_fd(), entry.mtime).map_err(at.failed("set time of"))
    }

    fn directory(&mut self, entry: &Entry, spot: &Spot<'_>) -> Result<(), ArchiveError> {
        let at = Context(entry);
        let mut becomes_opaque = false;
        match fs::mkdirat(spot.dir, spot.name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) => {
                becomes_opaque = self.clear_for_directory(spot).map_err(at.failed("replace"))?;
            }
            other => other.map_err(at.failed("create directory"))?,
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let dir = fs::openat(spot.dir, spot.name, flags, Mode::empty())
            .map_err(at.failed("open directory"))?;
        if becomes_opaque {
            whiteout::mark_opaque(dir.as_fd()).map_err(at.failed("mark as opaque"))?;
        }
        let target = Target::Open(dir.as_fd());
        Attributes::of(entry).set(target).map_err(at.failed("set attributes of"))
    }

    /// Makes sure that a directory is there; tells whether it took the place of a whiteout.
    fn clear_for_directory(&mut self, spot: &Spot<'_>) -> io::Result<bool> {
        let stat = fs::statat(spot.dir, spot.name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Ok(false);
        }
        if !self.may_change_kind() {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                "cannot overwrite non-directory with directory",
            ));
        }
        self.applied.has_replaced = true;
        remove_entry(spot.dir, spot.name)?;
        fs::mkdirat(spot.dir, spot.name, Mode::from_raw_mode(0o700))?;
        Ok(whiteout::is_whiteout(&stat))
    }

    fn hard_link(
        &mut self,
        entry: &Entry,
        target: &Name,
        spot: &Spot<'_>,
    ) -> Result<(), ArchiveError> {
        let at = Context(entry);
        let dir =
            self.root.open_dir(&target.parent).map_err(at.failed("find target of hard link"))?;
        // Without AT_SYMLINK_FOLLOW a link to a symbolic link is that link once more.
        self.replace(spot, || fs::linkat(&dir, &target.last, spot.dir, spot.name, AtFlags::empty()))
            .map_err(at.failed("make hard link"))
    }

    fn symlink(&mut self, entry: &Entry, spot: &Spot<'_>) -> Result<(), ArchiveError> {
        let at = Context(entry);
        self.replace(spot, || fs::symlinkat(entry.link.as_slice(), spot.dir, spot.name))
            .map_err(at.failed("make symbolic link"))?;
        self.set_entry_attributes(entry, spot)
    }

    fn device(&mut self, entry: &Entry, node: Node, spot: &Spot<'_>) -> Result<(), ArchiveError> {
        // Minor numbers have 20 bits, major numbers 12: mknod would cut off the others.
        if let Node::Character(major, minor) | Node::Block(major, minor) = node
            && (major >= 1 << 12 || minor >= 1 << 20)
        {
            return Err(Context(entry).refused("a device number out of range"));
        }
        self.devices += 1;
        if self.devices > self.limits.devices {
            let limit = self.limits.devices;
            return Err(ArchiveError::Limit { entry: entry.name(), what: "devices", limit });
        }
        self.node(entry, node, spot)
    }

    fn node(&mut self, entry: &Entry, node: Node, spot: &Spot<'_>) -> Result<(), ArchiveError> {
        let at = Context(entry);
        let mode = Mode::from_raw_mode(0o600);
        self.replace(spot, || {
            mknod_at(spot.dir, spot.name, node, mode)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })
        .map_err(at.failed("make device"))?;
        self.set_entry_attributes(entry, spot)
    }

    fn set_entry_attributes(&self, entry: &Entry, spot: &Spot<'_>) -> Result<(), ArchiveError> {
        let at = Context(entry);
        let target = Target::Entry(spot.dir, spot.name);
        Attributes::of(entry).set(target).map_err(at.failed("set attributes of"))?;
        attributes::set_entry_time(spot, entry.mtime).map_err(at.failed("set time of"))
    }

    /// Makes an entry, in place of whatever has its name.
    fn replace<T>(
        &mut self,
        spot: &Spot<'_>,
        make: impl Fn() -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                if !self.may_change_kind() && is_directory(spot)? {
                    return Err(io::Error::new(
                        io::ErrorKind::IsADirectory,
                        "cannot overwrite directory with non-directory",
                    ));
                }
                self.applied.has_replaced = true;
                remove_entry(spot.dir, spot.name)?;
                Ok(make()?)
            }
            other => Ok(other?),
        }
    }

    fn finish(self) -> Result<Applied, ArchiveError> {
        for (path, time) in &self.directories {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY;
            let set = match self.root.open_file(path, flags, Mode::empty()) {
                Ok(dir) => attributes::set_open_time(dir.as_fd(), *time),
                // Replaced by something else further on in the archive.
                Err(error) if is_missing(&error) => Ok(()),
                Err(error) => Err(error),
            };
            let entry = || path.display().to_string();
            set.map_err(|source| ArchiveError::Entry {
                entry: entry(),
                action: "set time of",
                source,
            })?;
        }
        Ok(self.applied)
    }
}

/// Makes one missing directory above an entry.
fn make_parent(spot: &Spot<'_>) -> io::Result<()> {
    let mode = Mode::from_raw_mode(0o755);
    let becomes_opaque = match fs::mkdirat(spot.dir, spot.name, mode) {
        Err(Errno::EXIST) => {
            let stat = fs::statat(spot.dir, spot.name, AtFlags::SYMLINK_NOFOLLOW)?;
            if !whiteout::is_whiteout(&stat) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            fs::unlinkat(spot.dir, spot.name, AtFlags::empty())?;
            fs::mkdirat(spot.dir, spot.name, mode)?;
            true
        }
        other => other.map(|()| false)?,
    };
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let dir = fs::openat(spot.dir, spot.name, flags, Mode::empty())?;
    // The umask of the process is not the archive's business.
    fs::fchmod(&dir, mode)?;
    if becomes_opaque { whiteout::mark_opaque(dir.as_fd()) } else { Ok(()) }
}

fn write_data<R: BufRead>(
    entry: &Entry,
    file: &File,
    reader: &mut Reader<'_, R>,
) -> Result<(), ArchiveError> {
    let at = Context(entry);
    for region in entry.regions() {
        let mut offset = region.offset;
        reader.copy_data(region.len, |chunk| {
            file.write_all_at(chunk, offset).map_err(at.failed("write"))?;
            offset += chunk.len() as u64;
            Ok(())
        })?;
    }
    if entry.sparse.is_some() {
        file.set_len(entry.size).map_err(at.failed("set length of"))?;
    }
    Ok(())
}

fn is_directory(spot: &Spot<'_>) -> io::Result<bool> {
    let stat = fs::statat(spot.dir, spot.name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn is_missing(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// Says which entry an error is about.
struct Context<'e>(&'e Entry);

impl Context<'_> {
    fn failed<E: Into<io::Error>>(&self, action: &'static str) -> impl Fn(E) -> ArchiveError + '_ {
        let entry = self.0;
        move |source| ArchiveError::Entry { entry: entry.name(), action, source: source.into() }
    }

    fn refused(&self, reason: &'static str) -> ArchiveError {
        ArchiveError::Refused { entry: self.0.name(), reason }
    }
}

/// Copies a name for the places that outlive the entry.
fn owned(name: &[u8]) -> OsString {
    OsStr::from_bytes(name).to_owned()
}
