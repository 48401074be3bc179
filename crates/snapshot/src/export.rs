//! Writing a directory in overlayfs' form as a layer archive.
//!
//! Entries come in the byte order of their names, directories before what is in them; the first
//! name of a hard-linked file carries its data and the others link to it. The root itself is not
//! an entry. Sockets are left out: archives have no such thing. Files with holes of a megabyte or
//! more become sparse entries (GNU 1.0 in pax, which Docker's reader knows); smaller holes are
//! written out, since not every reader does.
//!
//! The directory may be in use: what vanishes is left out, a file that grows is cut at the length
//! it had, one that shrinks is filled up with zeros.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{ffi::OsStrExt, fs::FileExt},
    },
};

use rustix::{
    fs::{self, FileType, SeekFrom, Stat},
    io::Errno,
};
use sys::xattr::{self, Target};

use crate::{
    ArchiveError,
    apply::{
        attributes::is_kept,
        whiteout::{is_opaque, is_whiteout},
    },
    tar::{Entry, Kind, Region, SparseMap, Timestamp, Writer, XattrList},
    tree,
};

/// Holes that are worth a sparse entry.
const MIN_HOLES_BYTES: u64 = 1 << 20;

/// Writes everything below `dir` as a layer archive.
///
/// # Errors
/// [`ArchiveError::Write`]; [`ArchiveError::Entry`] when a file cannot be read;
/// [`ArchiveError::Refused`] for a file whose name would be taken for a whiteout.
pub(crate) fn write(dir: BorrowedFd<'_>, out: &mut dyn Write) -> Result<(), ArchiveError> {
    let mut export = Export {
        writer: Writer::new(io::BufWriter::with_capacity(256 * 1024, out)),
        form: Form::Layer,
        linked: HashMap::new(),
    };
    export.directory(dir, b"", 0)?;
    export.writer.finish().map_err(ArchiveError::Write)?;
    Ok(())
}

/// What of a mounted tree goes into an archive.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// Everything in the directory, without itself and without what is mounted below it.
    ContentsOfOneMount,
    /// One entry of the directory (`.` is itself) with everything below it.
    Entry {
        /// Its name, which is not followed.
        name: &'a OsStr,
        /// Its path in the archive; empty puts a directory's entries below `/`.
        stored_as: &'a [u8],
    },
}

/// Writes a tree as it is seen (no whiteouts, no reserved names) as an archive.
///
/// # Errors
/// [`ArchiveError::Write`]; [`ArchiveError::Entry`] when a file cannot be read.
pub fn export_tree(
    dir: BorrowedFd<'_>,
    part: Part<'_>,
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let failed =
        |source: io::Error| ArchiveError::Entry { entry: String::new(), action: "inspect", source };
    let device = match part {
        Part::ContentsOfOneMount => Some(fs::fstat(dir).map_err(|e| failed(e.into()))?.st_dev),
        Part::Entry { .. } => None,
    };
    let mut export = Export {
        writer: Writer::new(io::BufWriter::with_capacity(256 * 1024, out)),
        form: Form::Tree { device },
        linked: HashMap::new(),
    };
    match part {
        Part::ContentsOfOneMount => export.directory(dir, b"", 0)?,
        Part::Entry { name, stored_as } => {
            let stat = tree::stat(dir, name).map_err(failed)?;
            export.entry(&Source { dir, name, path: stored_as.to_vec(), stat }, 0)?;
        }
    }
    export.writer.finish().map_err(ArchiveError::Write)?;
    Ok(())
}

/// How the directory is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As overlayfs stores it.
    Layer,
    /// As it is seen; with a device, only what is on it: a mount point is written empty.
    Tree { device: Option<u64> },
}

impl Form {
    fn is_mounted(self, stat: &Stat) -> bool {
        matches!(self, Self::Tree { device: Some(device) } if device != stat.st_dev)
    }
}

struct Export<W: Write> {
    writer: Writer<W>,
    form: Form,
    /// The first path of each file that has several names.
    linked: HashMap<(u64, u64), Vec<u8>>,
}

/// A file on its way into the archive.
struct Source<'a> {
    dir: BorrowedFd<'a>,
    name: &'a OsStr,
    path: Vec<u8>,
    stat: Stat,
}

impl Source<'_> {
    fn failed<E: Into<io::Error>>(
        &self,
        action: &'static str,
    ) -> impl FnOnce(E) -> ArchiveError + '_ {
        move |source| {
            let entry = String::from_utf8_lossy(&self.path).into_owned();
            ArchiveError::Entry { entry, action, source: source.into() }
        }
    }
}

impl<W: Write> Export<W> {
    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &[u8],
        depth: usize,
    ) -> Result<(), ArchiveError> {
        let failed = |action| {
            move |source| {
                let entry = String::from_utf8_lossy(path).into_owned();
                ArchiveError::Entry { entry, action, source }
            }
        };
        tree::check_depth(depth).map_err(failed("descend into"))?;
        if self.form == Form::Layer && is_opaque(dir).map_err(failed("inspect"))? {
            self.marker([path, b".wh..wh..opq"].concat())?;
        }
        for name in tree::names(dir).map_err(failed("list"))? {
            let path = [path, name.as_bytes()].concat();
            let stat = tree::if_present(tree::stat(dir, &name)).map_err(failed("inspect"))?;
            if let Some(stat) = stat {
                self.entry(&Source { dir, name: &name, path, stat }, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, source: &Source<'_>, depth: usize) -> Result<(), ArchiveError> {
        if self.form == Form::Layer && is_whiteout(&source.stat) {
            let parent = &source.path[..source.path.len() - source.name.len()];
            let path = [parent, b".wh.", source.name.as_bytes()].concat();
            return self.marker(path);
        }
        if self.form == Form::Layer && source.name.as_bytes().starts_with(b".wh.") {
            let entry = String::from_utf8_lossy(&source.path).into_owned();
            let reason = "the name is reserved for whiteouts";
            return Err(ArchiveError::Refused { entry, reason });
        }
        match tree::kind(&source.stat) {
            FileType::Directory => self.subdirectory(source, depth),
            FileType::Socket => Ok(()),
            _ if self.is_linked(source)? => Ok(()),
            FileType::RegularFile => self.file(source),
            FileType::Symlink => self.symlink(source),
            FileType::Fifo => self.special(source, Kind::Fifo),
            FileType::CharacterDevice => {
                let (major, minor) = device(&source.stat);
                self.special(source, Kind::Character(major, minor))
            }
            FileType::BlockDevice => {
                let (major, minor) = device(&source.stat);
                self.special(source, Kind::Block(major, minor))
            }
            FileType::Unknown => {
                let entry = String::from_utf8_lossy(&source.path).into_owned();
                Err(ArchiveError::Refused { entry, reason: "a file of unknown kind" })
            }
        }
    }

    /// Writes the empty file that stands for a whiteout or an opaque directory.
    ///
    /// Its time is 1970: the marker of an unpacked layer has the time of its unpacking.
    fn marker(&mut self, path: Vec<u8>) -> Result<(), ArchiveError> {
        let entry = Entry {
            path,
            link: Vec::new(),
            kind: Kind::File,
            mode: 0o600,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            size: 0,
            sparse: None,
            xattrs: Vec::new(),
        };
        self.append(&entry, &mut io::empty())
    }

    fn subdirectory(&mut self, source: &Source<'_>, depth: usize) -> Result<(), ArchiveError> {
        let dir = tree::if_present(tree::open_dir(source.dir, source.name))
            .map_err(source.failed("open"))?;
        let Some(dir) = dir else { return Ok(()) };
        let mut entry = describe(source, Kind::Directory);
        entry.path.push(b'/');
        entry.xattrs = xattrs(source, Target::Open(dir.as_fd()))?;
        self.append(&entry, &mut io::empty())?;
        if self.form.is_mounted(&source.stat) {
            return Ok(());
        }
        self.directory(dir.as_fd(), &entry.path, depth + 1)
    }

    /// Writes a link, if the file was written under another name already.
    fn is_linked(&mut self, source: &Source<'_>) -> Result<bool, ArchiveError> {
        if source.stat.st_nlink < 2 {
            return Ok(false);
        }
        let inode = (source.stat.st_dev, source.stat.st_ino);
        let Some(first) = self.linked.get(&inode).cloned() else {
            self.linked.insert(inode, source.path.clone());
            return Ok(false);
        };
        let mut entry = describe(source, Kind::HardLink);
        entry.link = first;
        self.append(&entry, &mut io::empty())?;
        Ok(true)
    }

    fn file(&mut self, source: &Source<'_>) -> Result<(), ArchiveError> {
        let open = match sys::confine::open_regular_at(source.dir, source.name) {
            // Something else has its name by now: the file is as gone as without that.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
                Err(io::ErrorKind::NotFound.into())
            }
            other => other,
        };
        let Some((file, _)) = tree::if_present(open).map_err(source.failed("open"))? else {
            self.linked.remove(&(source.stat.st_dev, source.stat.st_ino));
            return Ok(());
        };
        let file = File::from(file);
        let mut entry = describe(source, Kind::File);
        if self.form.is_mounted(&source.stat) {
            return self.append(&entry, &mut io::empty());
        }
        entry.size = u64::try_from(source.stat.st_size).unwrap_or_default();
        entry.sparse = sparse_map(&file, &source.stat).map_err(source.failed("find holes of"))?;
        entry.xattrs = xattrs(source, Target::Open(file.as_fd()))?;
        let mut data = Regions { file: &file, regions: entry.regions(), at: 0 };
        self.append(&entry, &mut data)
    }

    fn symlink(&mut self, source: &Source<'_>) -> Result<(), ArchiveError> {
        let target = fs::readlinkat(source.dir, source.name, Vec::new());
        let target = tree::if_present(target.map_err(io::Error::from));
        let Some(target) = target.map_err(source.failed("read link"))? else { return Ok(()) };
        let mut entry = describe(source, Kind::Symlink);
        entry.link = target.into_bytes();
        entry.xattrs = xattrs(source, Target::Entry(source.dir, source.name))?;
        self.append(&entry, &mut io::empty())
    }

    fn special(&mut self, source: &Source<'_>, kind: Kind) -> Result<(), ArchiveError> {
        let mut entry = describe(source, kind);
        entry.xattrs = xattrs(source, Target::Entry(source.dir, source.name))?;
        self.append(&entry, &mut io::empty())
    }

    fn append(&mut self, entry: &Entry, data: &mut dyn Read) -> Result<(), ArchiveError> {
        self.writer.append(entry, data).map_err(ArchiveError::Write)
    }
}

fn describe(source: &Source<'_>, kind: Kind) -> Entry {
    Entry {
        path: source.path.clone(),
        link: Vec::new(),
        kind,
        mode: source.stat.st_mode & 0o7777,
        uid: source.stat.st_uid,
        gid: source.stat.st_gid,
        mtime: mtime(&source.stat),
        size: 0,
        sparse: None,
        xattrs: Vec::new(),
    }
}

fn device(stat: &Stat) -> (u32, u32) {
    (fs::major(stat.st_rdev), fs::minor(stat.st_rdev))
}

fn mtime(stat: &Stat) -> Timestamp {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    Timestamp { seconds: stat.st_mtime, nanoseconds }
}

fn xattrs(source: &Source<'_>, target: Target<'_>) -> Result<XattrList, ArchiveError> {
    let read = || -> io::Result<XattrList> {
        let mut kept = Vec::new();
        for name in xattr::list(target)? {
            if is_kept(name.as_bytes())
                && let Some(value) = xattr::get(target, &name)?
            {
                kept.push((name.as_bytes().to_vec(), value));
            }
        }
        Ok(kept)
    };
    Ok(tree::if_present(read()).map_err(source.failed("read attributes of"))?.unwrap_or_default())
}

/// Finds the runs of data of a file, if its holes are worth it.
fn sparse_map(file: &File, stat: &Stat) -> io::Result<Option<SparseMap>> {
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let allocated = u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512);
    if size.saturating_sub(allocated) < MIN_HOLES_BYTES {
        return Ok(None);
    }
    let mut regions = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match fs::seek(file, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => break,
            other => other?.min(size),
        };
        let end = fs::seek(file, SeekFrom::Hole(start))?.min(size);
        regions.push((start, end - start));
        at = end;
    }
    SparseMap::new(&regions, size).map(Some).map_err(io::Error::other)
}

/// The bytes of a file's regions, one after the other.
struct Regions<'f> {
    file: &'f File,
    regions: Vec<Region>,
    at: usize,
}

impl Read for Regions<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(region) = self.regions.get_mut(self.at) else { return Ok(0) };
        let len = usize::try_from(region.len).unwrap_or(usize::MAX).min(buffer.len());
        let mut count = self.file.read_at(&mut buffer[..len], region.offset)?;
        if count == 0 {
            // The file shrank: zeros, as far as this region goes.
            buffer[..len].fill(0);
            count = len;
        }
        region.offset += count as u64;
        region.len -= count as u64;
        if region.len == 0 {
            self.at += 1;
        }
        Ok(count)
    }
}
