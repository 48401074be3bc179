//! One file of an archive, as its headers describe it.

use super::SparseMap;

/// Attribute names and values.
pub type XattrList = Vec<(Vec<u8>, Vec<u8>)>;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; its data follows.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to `link`.
    Symlink,
    /// Another name for the entry `link`.
    HardLink,
    /// A character device of major and minor number.
    Character(u32, u32),
    /// A block device of major and minor number.
    Block(u32, u32),
    /// A named pipe.
    Fifo,
}

/// A point in time; nanoseconds count forward, also before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timestamp {
    /// Whole seconds since 1970.
    pub seconds: i64,
    /// Below one thousand million.
    pub nanoseconds: u32,
}

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it stands in the archive: hostile, not normalised.
    pub path: Vec<u8>,
    /// The target of a link, as it stands in the archive.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// When the content changed last.
    pub mtime: Timestamp,
    /// The length of a file, including holes.
    pub size: u64,
    /// Where the data of a sparse file goes.
    pub sparse: Option<SparseMap>,
    /// Extended attributes.
    pub xattrs: XattrList,
}

impl Entry {
    /// The path for messages.
    #[must_use]
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}
