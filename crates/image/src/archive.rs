//! An archive of images on its way in: spooled to unnamed files, found again by member name.
//!
//! Nothing of the archive's names reaches the disk: a member is an unnamed temporary file, which
//! the kernel removes with its last descriptor, also after a crash.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, Write},
    path::Path,
};

use serde::de::DeserializeOwned;

use crate::ImageError;

const MAX_MEMBERS: usize = 20_000;
const SMALL: u64 = 64 * 1024;
const MAX_SMALL_TOTAL: usize = 64 * 1024 * 1024;
const MAX_FILES: usize = 2_000;
const MAX_DOCUMENT: u64 = 8 * 1024 * 1024;
const MAX_LINKS: usize = 8;

enum Member {
    Small(Vec<u8>),
    Large(File, u64),
    Link(String),
}

/// A spooled archive.
#[derive(Default)]
pub(crate) struct Archive {
    members: HashMap<String, Member>,
    small_total: usize,
    files: usize,
}

fn refused(reason: impl Into<String>) -> ImageError {
    ImageError::Archive { reason: reason.into() }
}

impl Archive {
    /// Reads a tar to its end, plain, gzip or zstd.
    pub(crate) fn spool(
        reader: &mut (dyn Read + Send),
        dir: &Path,
        max_bytes: u64,
    ) -> Result<Self, ImageError> {
        let mut tar = snapshot::decompress(reader).map_err(ImageError::Decompress)?;
        let mut archive = Self::default();
        let mut left = max_bytes;
        {
            let mut reader = tar::Archive::new(&mut tar);
            let entries = reader.entries().map_err(ImageError::stream("read archive"))?;
            for entry in entries {
                let mut entry = entry.map_err(ImageError::stream("read archive"))?;
                left = left
                    .checked_sub(entry.size())
                    .ok_or_else(|| refused(format!("more than {max_bytes} bytes")))?;
                archive.add(&mut entry, dir)?;
            }
        }
        crate::stream::drain(&mut tar).map_err(ImageError::stream("read archive"))?;
        Ok(archive)
    }

    fn add(&mut self, entry: &mut tar::Entry<'_, impl Read>, dir: &Path) -> Result<(), ImageError> {
        let name = normal("", &String::from_utf8_lossy(&entry.path_bytes()));
        let kind = entry.header().entry_type();
        let member = if kind.is_file() || kind.is_gnu_sparse() {
            self.read(entry, dir)?
        } else if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name_bytes().unwrap_or_default();
            let base = if kind.is_symlink() { parent(&name) } else { "" };
            Member::Link(normal(base, &String::from_utf8_lossy(&target)))
        } else {
            return Ok(());
        };
        if self.members.len() >= MAX_MEMBERS {
            return Err(refused(format!("more than {MAX_MEMBERS} members")));
        }
        self.members.insert(name, member);
        Ok(())
    }

    fn read(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        dir: &Path,
    ) -> Result<Member, ImageError> {
        let size = entry.size();
        if size <= SMALL {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(ImageError::stream("read archive"))?;
            self.small_total += bytes.len();
            if self.small_total > MAX_SMALL_TOTAL {
                return Err(refused("too many small members"));
            }
            return Ok(Member::Small(bytes));
        }
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(refused(format!("more than {MAX_FILES} large members")));
        }
        let mut file =
            tempfile::tempfile_in(dir).map_err(ImageError::stream("make a spool file"))?;
        let count = io::copy(entry, &mut file).map_err(ImageError::stream("spool archive"))?;
        file.flush().map_err(ImageError::stream("spool archive"))?;
        Ok(Member::Large(file, count))
    }

    fn find(&self, name: &str) -> Option<&Member> {
        let mut name = normal("", name);
        for _ in 0..MAX_LINKS {
            match self.members.get(&name)? {
                Member::Link(target) => name = target.clone(),
                found => return Some(found),
            }
        }
        None
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Opens a member for reading from its start.
    pub(crate) fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        match self.find(name) {
            Some(Member::Small(bytes)) => Ok(Box::new(bytes.as_slice())),
            Some(Member::Large(file, _)) => {
                let mut file = file;
                file.rewind().map_err(ImageError::stream("read spooled archive"))?;
                Ok(Box::new(io::BufReader::with_capacity(128 * 1024, file)))
            }
            _ => Err(refused(format!("{name} is missing"))),
        }
    }

    pub(crate) fn size(&self, name: &str) -> u64 {
        match self.find(name) {
            Some(Member::Small(bytes)) => bytes.len() as u64,
            Some(Member::Large(_, size)) => *size,
            _ => 0,
        }
    }

    /// Reads a small document whole.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        if self.size(name) > MAX_DOCUMENT {
            return Err(refused(format!("{name} is larger than {MAX_DOCUMENT} bytes")));
        }
        let mut bytes = Vec::new();
        self.open(name)?
            .read_to_end(&mut bytes)
            .map_err(ImageError::stream("read spooled archive"))?;
        Ok(bytes)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, ImageError> {
        serde_json::from_slice(&self.bytes(name)?)
            .map_err(|source| ImageError::ArchiveDocument { member: name.to_owned(), source })
    }
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A member's name without `.`, `..`, empty and leading parts.
fn normal(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap()
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    }

    #[test]
    fn members_are_found_through_links_and_never_outside() {
        let dir = tempfile::tempdir().unwrap();
        let large = vec![7u8; SMALL as usize + 1];
        let bytes = tar_of(|b| {
            file(b, "a/layer.tar", &large);
            let mut link = tar::Header::new_gnu();
            link.set_entry_type(tar::EntryType::Symlink);
            link.set_size(0);
            b.append_link(&mut link, "b/layer.tar", "../a/layer.tar").unwrap();
            let mut loops = tar::Header::new_gnu();
            loops.set_entry_type(tar::EntryType::Symlink);
            loops.set_size(0);
            b.append_link(&mut loops, "loop", "loop").unwrap();
        });
        let archive = Archive::spool(&mut bytes.as_slice(), dir.path(), 1 << 30).unwrap();
        assert_eq!(archive.bytes("./b/layer.tar").unwrap(), large);
        assert_eq!(archive.bytes("b/../a/layer.tar").unwrap(), large);
        assert!(!archive.contains("loop"));
        assert!(archive.open("/etc/passwd").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn too_much_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = tar_of(|b| file(b, "x", &[0; 100]));
        assert!(Archive::spool(&mut bytes.as_slice(), dir.path(), 99).is_err());
        assert!(Archive::spool(&mut &bytes[..300], dir.path(), 1000).is_err());
    }
}
