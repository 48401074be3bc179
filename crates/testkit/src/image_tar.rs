//! Root file systems as tar archives, made here.

use std::{fs, process::Command};

pub use tar::EntryType;
use tar::{Builder, Header};

const BUSYBOX: &str = "/bin/busybox";

/// An archive being built.
pub struct ImageTar(Builder<Vec<u8>>);

/// Who owns an entry and what its mode is.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// User.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Permission bits.
    pub mode: u32,
}

/// An entry as an attacker writes it.
#[derive(Debug, Clone, Copy)]
pub struct Hostile<'a> {
    /// File type.
    pub kind: EntryType,
    /// Anything.
    pub name: &'a [u8],
    /// Of a link.
    pub target: &'a [u8],
    /// Of a file.
    pub content: &'a [u8],
    /// Major and minor number.
    pub device: (u32, u32),
    /// Permission bits.
    pub mode: u32,
}

impl<'a> Hostile<'a> {
    /// A file.
    #[must_use]
    pub const fn file(name: &'a [u8], content: &'a [u8]) -> Self {
        Self { kind: EntryType::Regular, name, target: b"", content, device: (0, 0), mode: 0o644 }
    }

    /// A symbolic or hard link.
    #[must_use]
    pub const fn link(kind: EntryType, name: &'a [u8], target: &'a [u8]) -> Self {
        Self { kind, target, ..Self::file(name, b"") }
    }

    /// A device or pipe.
    #[must_use]
    pub const fn node(kind: EntryType, name: &'a [u8], device: (u32, u32)) -> Self {
        Self { kind, device, mode: 0o666, ..Self::file(name, b"") }
    }
}

/// Root's, with a mode.
#[must_use]
pub const fn root(mode: u32) -> Owner {
    Owner { uid: 0, gid: 0, mode }
}

impl ImageTar {
    /// An empty archive.
    #[must_use]
    pub fn empty() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// The host's static busybox with a link for each applet, accounts and the usual directories.
    ///
    /// # Panics
    /// When `busybox-static` is not installed.
    #[must_use]
    pub fn busybox() -> Self {
        Self::busybox_without(&[])
    }

    /// As [`Self::busybox`], lacking the directories `left_out` with what is in them.
    ///
    /// # Panics
    /// As [`Self::busybox`].
    #[must_use]
    pub fn busybox_without(left_out: &[&str]) -> Self {
        let binary = fs::read(BUSYBOX).expect("/bin/busybox (Debian package busybox-static)");
        let list = Command::new(BUSYBOX).arg("--list").output().expect("busybox runs");
        let mut archive = Self::empty();
        for dir in ["bin", "etc", "home", "proc", "root", "sys", "dev", "var", "usr", "usr/bin"] {
            if !left_out.contains(&dir) {
                archive = archive.directory(dir, root(0o755));
            }
        }
        archive = archive.directory("tmp", root(0o1777)).file("bin/busybox", &binary, root(0o755));
        if !left_out.contains(&"etc") {
            archive = archive.accounts();
        }
        for applet in
            String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox")
        {
            archive = archive.link(&format!("bin/{applet}"), "busybox");
        }
        archive
    }

    fn accounts(self) -> Self {
        self
            .file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nuser:x:1000:1000::/home:/bin/sh\n", root(0o644))
            .file("etc/group", b"root:x:0:\ndaemon:x:1:\nstaff:x:50:user\nuser:x:1000:\n", root(0o644))
    }

    /// Adds a directory.
    #[must_use]
    pub fn directory(self, path: &str, owner: Owner) -> Self {
        self.entry(EntryType::Directory, path, owner, &[])
    }

    /// Adds a regular file.
    #[must_use]
    pub fn file(self, path: &str, content: &[u8], owner: Owner) -> Self {
        self.entry(EntryType::Regular, path, owner, content)
    }

    /// Adds a symbolic link.
    ///
    /// # Panics
    /// When the names do not fit.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let mut header = header(EntryType::Symlink, root(0o777), 0);
        self.0.append_link(&mut header, path, target).expect("a vector takes bytes");
        self
    }

    /// Adds an entry that no honest program would write: its name and target are taken as they
    /// are.
    ///
    /// # Panics
    /// When the name or target is longer than the 100 bytes of a header.
    #[must_use]
    pub fn hostile(mut self, entry: &Hostile<'_>) -> Self {
        let mut header = header(entry.kind, root(entry.mode), entry.content.len() as u64);
        let gnu = header.as_gnu_mut().expect("a GNU header");
        gnu.name[..entry.name.len()].copy_from_slice(entry.name);
        gnu.linkname[..entry.target.len()].copy_from_slice(entry.target);
        header.set_device_major(entry.device.0).expect("a GNU header");
        header.set_device_minor(entry.device.1).expect("a GNU header");
        header.set_cksum();
        self.0.append(&header, entry.content).expect("a vector takes bytes");
        self
    }

    fn entry(mut self, kind: EntryType, path: &str, owner: Owner, content: &[u8]) -> Self {
        let mut header = header(kind, owner, content.len() as u64);
        self.0.append_data(&mut header, path, content).expect("a vector takes bytes");
        self
    }

    /// The archive.
    ///
    /// # Panics
    /// Never: it is in memory.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("a vector takes bytes")
    }
}

fn header(kind: EntryType, owner: Owner, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_uid(owner.uid);
    header.set_gid(owner.gid);
    header.set_mode(owner.mode);
    header.set_size(size);
    header.set_mtime(1_000_000_000);
    header
}
