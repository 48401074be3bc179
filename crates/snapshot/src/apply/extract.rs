//! Extracting an archive into a directory of a tree that is in use (`cp` into a container).
//!
//! The rules are those of layers, but for whiteouts, which do not exist here: no name is special.
//! Paths are resolved below the tree's root, not below the directory: a link that stands in the
//! directory leads where it leads in the container.

use std::{io::BufRead, os::fd::AsFd, path::PathBuf};

use sys::confine::Root;

use super::{Applied, Applier, Form};
use crate::{ArchiveError, Limits, tar::Reader};

/// What happens when a directory meets a file of the same name, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collision {
    /// The archive's takes its place.
    Replaced,
    /// It is an error.
    Refused,
}

/// Where and how to extract.
#[derive(Debug, Clone)]
pub struct Extraction<'a> {
    /// Nothing outside it is touched.
    pub root: &'a Root,
    /// The directory below the root; it exists.
    pub base: PathBuf,
    /// See [`Collision`].
    pub collision: Collision,
    /// Who owns everything that is made, instead of what the archive says.
    pub owner: Option<(u32, u32)>,
}

/// Extracts an uncompressed archive.
///
/// # Errors
/// [`ArchiveError`]; what was made by then stays.
pub fn extract(
    archive: &mut dyn BufRead,
    to: &Extraction<'_>,
    limits: &Limits,
) -> Result<(), ArchiveError> {
    let entry = || to.base.display().to_string();
    let root = to.root.as_fd().try_clone_to_owned().map_err(|source| ArchiveError::Entry {
        entry: entry(),
        action: "open",
        source,
    })?;
    let mut applier = Applier {
        root: Root::from_fd(root),
        limits,
        form: Form::Tree { base: to.base.clone(), collision: to.collision },
        parent: None,
        directories: Vec::new(),
        devices: 0,
        applied: Applied { file_bytes: 0, has_replaced: false },
    };
    let mut reader = Reader::new(archive, limits);
    while let Some(mut entry) = reader.next_entry()? {
        if let Some((uid, gid)) = to.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        applier.apply(&entry, &mut reader)?;
    }
    reader.drain()?;
    applier.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::export::{Part, export_tree};

    fn archive_of(dir: &std::path::Path) -> Vec<u8> {
        let fd = fs::File::open(dir).unwrap();
        let mut bytes = Vec::new();
        let part = Part::Entry { name: ".".as_ref(), stored_as: b"." };
        export_tree(fd.as_fd(), part, &mut bytes).unwrap();
        bytes
    }

    fn extraction(root: &Root, collision: Collision) -> Extraction<'_> {
        Extraction { root, base: "/in".into(), collision, owner: None }
    }

    #[test]
    fn names_of_whiteouts_are_files_and_links_lead_around_within_the_root() {
        let temp = tempfile::tempdir().unwrap();
        let source = temp.path().join("source");
        fs::create_dir_all(source.join("link")).unwrap();
        fs::write(source.join("link/.wh.x"), "kept").unwrap();
        fs::write(source.join("plain"), "p").unwrap();
        let tree = temp.path().join("tree");
        fs::create_dir_all(tree.join("in")).unwrap();
        fs::create_dir_all(tree.join("elsewhere")).unwrap();
        fs::write(tree.join("in/stays"), "").unwrap();
        symlink("/", tree.join("in/up")).unwrap();
        let root = Root::open(&tree).unwrap();
        let bytes = archive_of(&source);
        extract(&mut &bytes[..], &extraction(&root, Collision::Refused), &Limits::default())
            .unwrap();
        assert_eq!(fs::read_to_string(tree.join("in/link/.wh.x")).unwrap(), "kept");
        assert!(tree.join("in/stays").exists() && tree.join("in/plain").exists());
        assert!(tree.join("in/up").is_symlink());
    }

    #[test]
    fn kinds_change_only_when_they_may() {
        let temp = tempfile::tempdir().unwrap();
        let source = temp.path().join("source");
        fs::create_dir_all(source.join("a")).unwrap();
        fs::write(source.join("b"), "file").unwrap();
        let tree = temp.path().join("tree");
        fs::create_dir_all(tree.join("in/b")).unwrap();
        fs::write(tree.join("in/a"), "").unwrap();
        let root = Root::open(&tree).unwrap();
        let bytes = archive_of(&source);
        let limits = Limits::default();
        let refused = extract(&mut &bytes[..], &extraction(&root, Collision::Refused), &limits);
        assert!(matches!(refused, Err(ArchiveError::Entry { .. })), "{refused:?}");
        assert!(tree.join("in/a").is_file() && tree.join("in/b").is_dir());
        extract(&mut &bytes[..], &extraction(&root, Collision::Replaced), &limits).unwrap();
        assert!(tree.join("in/a").is_dir() && tree.join("in/b").is_file());
    }
}
