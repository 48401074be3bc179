//! Archives made by hand, and directories described for comparison.

use std::{
    ffi::OsStr,
    fs,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
};

use gantry_snapshot::{
    ArchiveError, Limits, OverlaySnapshotter, SnapshotError, Snapshotter, Unpacked,
};
use sys::xattr::{self, Target};
use tar::{EntryType, Header};

/// A store in a directory of its own.
pub struct Store {
    pub dir: tempfile::TempDir,
    pub store: OverlaySnapshotter,
}

impl Store {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Beside the store: what archives must not reach.
        fs::write(dir.path().join("outside"), "untouched").unwrap();
        let store = OverlaySnapshotter::open(dir.path().join("root")).unwrap();
        Self { dir, store }
    }

    pub fn unpack(&self, archive: &[u8]) -> Result<Unpacked, SnapshotError> {
        self.store.unpack(None, &mut &archive[..], &Limits::default())
    }

    /// Unpacks, and returns the layer's directory.
    pub fn diff(&self, archive: &[u8]) -> PathBuf {
        let unpacked = self.unpack(archive).unwrap();
        self.path().join("layers").join(unpacked.diff_id.hex()).join("diff")
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Unpacks what must be refused, and checks that nothing is left and nothing was reached.
    pub fn refuse(&self, archive: &[u8]) -> ArchiveError {
        self.refuse_within(archive, &Limits::default())
    }

    pub fn refuse_within(&self, archive: &[u8], limits: &Limits) -> ArchiveError {
        let error = self.store.unpack(None, &mut &archive[..], limits).unwrap_err();
        self.check_nothing_left();
        match error {
            SnapshotError::Archive(error) => error,
            other => panic!("not a fault of the archive: {other}"),
        }
    }

    pub fn check_nothing_left(&self) {
        assert_eq!(fs::read_dir(self.path().join("layers")).unwrap().count(), 0);
        self.check_outside();
    }

    pub fn check_outside(&self) {
        assert_eq!(fs::read_to_string(self.dir.path().join("outside")).unwrap(), "untouched");
        let names = fs::read_dir(self.dir.path()).unwrap().count();
        assert_eq!(names, 2, "nothing was made beside the store");
    }
}

/// An archive made entry by entry; names are put into headers as they are.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    pub fn file(self, path: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, path, "", content.as_bytes())
    }

    pub fn dir(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"")
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"")
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"")
    }

    pub fn entry(self, kind: EntryType, path: &str, link: &str, data: &[u8]) -> Self {
        self.with(kind, path, link, data, |_| {})
    }

    pub fn device(self, kind: EntryType, path: &str, (major, minor): (u32, u32)) -> Self {
        self.with(kind, path, "", b"", |header| {
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        })
    }

    pub fn with(
        mut self,
        kind: EntryType,
        path: &str,
        link: &str,
        data: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_500_000_000);
        header.set_size(data.len() as u64);
        let raw = header.as_mut_bytes();
        raw[..path.len()].copy_from_slice(path.as_bytes());
        raw[157..157 + link.len()].copy_from_slice(link.as_bytes());
        change(&mut header);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.raw(data)
    }

    /// A pax header for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let len = (1..).find(|len| *len == rest + len.to_string().len()).unwrap();
            data.extend_from_slice(format!("{len} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.entry(EntryType::XHeader, "pax", "", &data)
    }

    /// Data, padded to a block.
    pub fn raw(mut self, data: &[u8]) -> Self {
        self.bytes.extend_from_slice(data);
        let len = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(len, 0);
        self
    }

    pub fn without_end(self) -> Vec<u8> {
        self.bytes
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 1024]);
        self.bytes
    }
}

/// Everything that an archive can say about a file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Described {
    pub path: PathBuf,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
    pub device: u64,
    pub content: Vec<u8>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The first path of the same inode.
    pub same_as: PathBuf,
}

/// Describes everything below a directory, sorted by path.
pub fn describe(root: &Path) -> Vec<Described> {
    let mut all = Vec::new();
    add(root, root, &mut all);
    all.sort();
    let mut first = std::collections::HashMap::new();
    for file in &mut all {
        let metadata = fs::symlink_metadata(root.join(&file.path)).unwrap();
        let path = first.entry(metadata.ino()).or_insert_with(|| file.path.clone());
        file.same_as.clone_from(path);
    }
    all
}

fn add(root: &Path, dir: &Path, all: &mut Vec<Described>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let is_whiteout = metadata.mode() & 0o170_000 == 0o020_000 && metadata.rdev() == 0;
        all.push(Described {
            path: path.strip_prefix(root).unwrap().to_owned(),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            // The time of a whiteout is not part of a layer.
            mtime: if is_whiteout { (0, 0) } else { (metadata.mtime(), metadata.mtime_nsec()) },
            device: metadata.rdev(),
            content: if metadata.is_file() {
                fs::read(&path).unwrap()
            } else if metadata.is_symlink() {
                fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
            } else {
                Vec::new()
            },
            xattrs: xattrs(&path),
            same_as: PathBuf::new(),
        });
        if metadata.is_dir() {
            add(root, &path, all);
        }
    }
}

pub fn xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let dir = fs::File::open(path.parent().unwrap()).unwrap();
    let target = Target::Entry(dir.as_fd(), path.file_name().unwrap());
    let names = xattr::list(target).unwrap();
    let value = |name: &OsStr| xattr::get(target, name).unwrap().unwrap();
    names.iter().map(|name| (name.as_bytes().to_vec(), value(name))).collect()
}
