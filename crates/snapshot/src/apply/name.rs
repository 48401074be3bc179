//! What an entry's path means, before any file system is touched.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use crate::{ArchiveError, Limits, apply::owned, tar::Entry};

/// A normalised path below the layer's root: a parent and a last component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) parent: PathBuf,
    pub(super) last: OsString,
}

impl Name {
    /// The same name further down.
    pub(super) fn below(self, base: &std::path::Path) -> Self {
        Self { parent: base.join(self.parent), last: self.last }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.parent.join(&self.last)
    }
}

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The layer's root directory.
    Root,
    /// A file of any kind.
    Named(Name),
    /// The absence of a file of the layers below.
    Whiteout(Name),
    /// The absence of everything that the layers below have in a directory.
    Opaque(PathBuf),
    /// AUFS' own bookkeeping.
    Skipped,
}

const WHITEOUT: &[u8] = b".wh.";
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Decides what an entry is about.
///
/// # Errors
/// [`ArchiveError::Refused`] for a path that leaves the root or abuses whiteouts;
/// [`ArchiveError::Limit`] for one that is too long or too deep.
pub(super) fn classify(entry: &Entry, limits: &Limits) -> Result<Place, ArchiveError> {
    let mut components = normalise(entry, &entry.path, limits)?;
    let Some(last) = components.pop() else { return Ok(Place::Root) };
    if last.starts_with(AUFS) && last != OPAQUE {
        return Ok(Place::Skipped);
    }
    if let Some(parent) = components.iter().find(|name| name.starts_with(WHITEOUT)) {
        if parent.starts_with(AUFS) {
            return Ok(Place::Skipped);
        }
        return Err(refused(entry, "an entry below a whiteout"));
    }
    let parent: PathBuf = components.iter().map(|name| OsStr::from_bytes(name)).collect();
    if last == OPAQUE {
        return Ok(Place::Opaque(parent));
    }
    match last.strip_prefix(WHITEOUT) {
        None => Ok(Place::Named(Name { parent, last: owned(last) })),
        Some(b"" | b"." | b"..") => Err(refused(entry, "a whiteout of nothing")),
        Some(hidden) => Ok(Place::Whiteout(Name { parent, last: owned(hidden) })),
    }
}

/// Decides what an entry of an archive is about that is no layer: no name is special.
///
/// # Errors
/// As [`classify`].
pub(super) fn plain(entry: &Entry, limits: &Limits) -> Result<Place, ArchiveError> {
    let mut components = normalise(entry, &entry.path, limits)?;
    let Some(last) = components.pop() else { return Ok(Place::Root) };
    let parent = components.iter().map(|name| OsStr::from_bytes(name)).collect();
    Ok(Place::Named(Name { parent, last: owned(last) }))
}

/// Returns what a hard link of such an archive leads to.
///
/// # Errors
/// As [`classify`].
pub(super) fn plain_link_target(entry: &Entry, limits: &Limits) -> Result<Name, ArchiveError> {
    let mut components = normalise(entry, &entry.link, limits)?;
    let Some(last) = components.pop() else {
        return Err(refused(entry, "a hard link to the root"));
    };
    let parent = components.iter().map(|name| OsStr::from_bytes(name)).collect();
    Ok(Name { parent, last: owned(last) })
}

/// Returns what a hard link leads to.
///
/// # Errors
/// As [`classify`]; [`ArchiveError::Refused`] when it is not a file of this layer.
pub(super) fn link_target(entry: &Entry, limits: &Limits) -> Result<Name, ArchiveError> {
    let mut components = normalise(entry, &entry.link, limits)?;
    if components.iter().any(|name| name.starts_with(WHITEOUT)) {
        return Err(refused(entry, "a hard link to a whiteout"));
    }
    let Some(last) = components.pop() else {
        return Err(refused(entry, "a hard link to the root"));
    };
    let parent = components.iter().map(|name| OsStr::from_bytes(name)).collect();
    Ok(Name { parent, last: owned(last) })
}

/// Checks the text of a symbolic link; where it leads does not matter.
///
/// # Errors
/// [`ArchiveError::Refused`], [`ArchiveError::Limit`].
pub(super) fn check_symlink(entry: &Entry, limits: &Limits) -> Result<(), ArchiveError> {
    if entry.link.is_empty() || entry.link.contains(&0) {
        return Err(refused(entry, "a symbolic link without a target"));
    }
    check_length(entry, &entry.link, limits)
}

/// Splits a path into its components, without `.` and with `..` taken back.
fn normalise<'a>(
    entry: &Entry,
    path: &'a [u8],
    limits: &Limits,
) -> Result<Vec<&'a [u8]>, ArchiveError> {
    if path.is_empty() || path.contains(&0) {
        return Err(refused(entry, "an empty path or one with a zero byte"));
    }
    check_length(entry, path, limits)?;
    let mut components = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                if components.pop().is_none() {
                    return Err(refused(entry, "a path that leaves the layer"));
                }
            }
            name => components.push(name),
        }
    }
    if components.len() > limits.path_depth {
        let limit = limits.path_depth as u64;
        return Err(ArchiveError::Limit {
            entry: shortened(entry),
            what: "path components",
            limit,
        });
    }
    Ok(components)
}

fn check_length(entry: &Entry, path: &[u8], limits: &Limits) -> Result<(), ArchiveError> {
    if path.len() > limits.path_bytes {
        let limit = limits.path_bytes as u64;
        return Err(ArchiveError::Limit { entry: shortened(entry), what: "path bytes", limit });
    }
    Ok(())
}

/// An over-long name would make an over-long message.
fn shortened(entry: &Entry) -> String {
    let start = &entry.path[..entry.path.len().min(128)];
    String::from_utf8_lossy(start).into_owned()
}

fn refused(entry: &Entry, reason: &'static str) -> ArchiveError {
    ArchiveError::Refused { entry: entry.name(), reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tar::{Kind, Timestamp};

    fn entry(path: &[u8]) -> Entry {
        Entry {
            path: path.to_vec(),
            link: Vec::new(),
            kind: Kind::File,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            size: 0,
            sparse: None,
            xattrs: Vec::new(),
        }
    }

    fn place(path: &str) -> Place {
        classify(&entry(path.as_bytes()), &Limits::default()).unwrap()
    }

    fn name(parent: &str, last: &str) -> Name {
        Name { parent: parent.into(), last: last.into() }
    }

    #[test]
    fn paths_are_normalised_and_markers_recognised() {
        assert_eq!(place("./"), Place::Root);
        assert_eq!(place("/"), Place::Root);
        assert_eq!(place("a/.."), Place::Root);
        assert_eq!(place("/etc//./passwd"), Place::Named(name("etc", "passwd")));
        assert_eq!(place("a/../b/"), Place::Named(name("", "b")));
        assert_eq!(place("a/.wh.b"), Place::Whiteout(name("a", "b")));
        assert_eq!(place("a/.wh..wh..opq"), Place::Opaque("a".into()));
        assert_eq!(place(".wh..wh.plnk/1.2"), Place::Skipped);
        assert_eq!(place(".wh..wh.aufs"), Place::Skipped);
    }

    #[test]
    fn paths_that_leave_and_whiteouts_of_nothing_are_refused() {
        for bad in ["..", "../a", "a/../../b", "", ".wh.", ".wh...", "a/.wh.b/c", "a\0b"] {
            let error = classify(&entry(bad.as_bytes()), &Limits::default());
            assert!(matches!(error, Err(ArchiveError::Refused { .. })), "{bad:?}");
        }
        let long = [b'a'; 5000];
        let deep = b"a/".repeat(600);
        for bad in [&long[..], &deep[..]] {
            let error = classify(&entry(bad), &Limits::default());
            assert!(matches!(error, Err(ArchiveError::Limit { .. })));
        }
    }

    proptest! {
        #[test]
        fn a_name_never_has_a_component_that_climbs(
            path in prop::collection::vec(
                prop_oneof![
                    Just(b"..".to_vec()), Just(b".".to_vec()), Just(b"".to_vec()),
                    Just(b".wh.x".to_vec()), prop::collection::vec(any::<u8>(), 0..6),
                ],
                0..12,
            )
        ) {
            let path = path.join(&b'/');
            if let Ok(Place::Named(name) | Place::Whiteout(name)) =
                classify(&entry(&path), &Limits::default())
            {
                let full = name.path();
                prop_assert!(full.is_relative());
                for component in full.as_os_str().as_bytes().split(|byte| *byte == b'/') {
                    prop_assert!(!component.is_empty() && component != b"." && component != b"..");
                    prop_assert!(!component.contains(&0));
                }
            }
        }
    }
}
