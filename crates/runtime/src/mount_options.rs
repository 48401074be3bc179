//! The options of a mount, as of mount(8) and the runtime specification.

use oci::runtime::Mount;
use sys::mount::{Attributes, Scope};

use crate::error::RuntimeError;

/// Options, sorted by what they act on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Bind mount, of one mount or of the tree below the source.
    pub(crate) bind: Option<Bind>,
    /// Of the mount itself.
    pub(crate) attributes: Attributes,
    /// Of the mount and all below it (`rro` and so on).
    pub(crate) tree_attributes: Attributes,
    /// In order.
    pub(crate) propagation: Vec<(u64, Scope)>,
    /// For the file system: a word, or a word and a value.
    pub(crate) data: Vec<(String, Option<String>)>,
    /// Shown with other owners.
    pub(crate) id_map: Option<Scope>,
    /// Fill a tmpfs with what it hides.
    pub(crate) copy_up: bool,
}

/// Reach of a bind mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bind {
    /// `bind`
    One,
    /// `rbind`
    Tree,
}

impl Options {
    /// Reads them.
    pub(crate) fn parse(mount: &Mount) -> Result<Self, RuntimeError> {
        let mut options = Self::default();
        if mount.kind.as_deref() == Some("bind") {
            options.bind = Some(Bind::Tree);
        }
        if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
            options.id_map = Some(Scope::Mount);
        }
        for option in &mount.options {
            options.add(option);
        }
        if options.id_map.is_some() && options.bind.is_none() {
            return Err(RuntimeError::field(
                "mounts.options",
                &mount.destination,
                "only bind mounts can be id-mapped",
            ));
        }
        Ok(options)
    }

    fn add(&mut self, option: &str) {
        if let Some((set, clear)) = attribute(option) {
            change(&mut self.attributes, set, clear);
        } else if let Some((set, clear)) = option.strip_prefix('r').and_then(attribute) {
            change(&mut self.tree_attributes, set, clear);
        } else if let Some(propagation) = propagation(option) {
            self.propagation.push(propagation);
        } else {
            match option {
                "bind" => self.bind = Some(Bind::One),
                "rbind" => self.bind = Some(Bind::Tree),
                "defaults" | "" | "async" | "silent" | "loud" | "remount" | "nofail" => {}
                // Flags of mount(2) that today's kernels have for good or not at all.
                "acl" | "noacl" | "iversion" | "noiversion" => {}
                "tmpcopyup" => self.copy_up = true,
                "idmap" => self.id_map = Some(Scope::Mount),
                "ridmap" => self.id_map = Some(Scope::Tree),
                other => self.data.push(match other.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (other.to_owned(), None),
                }),
            }
        }
    }

    /// The value of a file system option.
    pub(crate) fn has_data(&self, key: &str) -> bool {
        self.data.iter().any(|(k, _)| k == key)
    }
}

/// A later option overrides an earlier one of the same kind. Of the access time field all bits
/// must be cleared for any to be set.
fn change(attributes: &mut Attributes, set: u64, clear: u64) {
    attributes.set = (attributes.set & !clear) | set;
    attributes.clear = (attributes.clear & !(set & !libc::MOUNT_ATTR__ATIME)) | clear;
}

/// Attributes to set and to clear.
fn attribute(option: &str) -> Option<(u64, u64)> {
    use libc::{
        MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME,
        MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY,
        MOUNT_ATTR_STRICTATIME,
    };
    Some(match option {
        "ro" => (MOUNT_ATTR_RDONLY, 0),
        "rw" => (0, MOUNT_ATTR_RDONLY),
        "nosuid" => (MOUNT_ATTR_NOSUID, 0),
        "suid" => (0, MOUNT_ATTR_NOSUID),
        "nodev" => (MOUNT_ATTR_NODEV, 0),
        "dev" => (0, MOUNT_ATTR_NODEV),
        "noexec" => (MOUNT_ATTR_NOEXEC, 0),
        "exec" => (0, MOUNT_ATTR_NOEXEC),
        "nosymfollow" => (MOUNT_ATTR_NOSYMFOLLOW, 0),
        "symfollow" => (0, MOUNT_ATTR_NOSYMFOLLOW),
        "nodiratime" => (MOUNT_ATTR_NODIRATIME, 0),
        "diratime" => (0, MOUNT_ATTR_NODIRATIME),
        // The access time modes are one field: it must be cleared to be set. Relative is 0.
        "noatime" => (MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME),
        "strictatime" => (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME),
        "atime" | "relatime" | "norelatime" | "nostrictatime" => (0, MOUNT_ATTR__ATIME),
        _ => return None,
    })
}

fn propagation(option: &str) -> Option<(u64, Scope)> {
    let (name, scope) = match option.strip_prefix('r') {
        Some(rest) if flag_of(rest).is_some() => (rest, Scope::Tree),
        _ => (option, Scope::Mount),
    };
    flag_of(name).map(|flag| (flag, scope))
}

fn flag_of(name: &str) -> Option<u64> {
    Some(match name {
        "shared" => libc::MS_SHARED,
        "slave" => libc::MS_SLAVE,
        "private" => libc::MS_PRIVATE,
        "unbindable" => libc::MS_UNBINDABLE,
        _ => return None,
    })
}

/// Reads `linux.rootfsPropagation`.
pub(crate) fn root_propagation(text: Option<&str>) -> Result<Option<(u64, Scope)>, RuntimeError> {
    match text {
        None | Some("") => Ok(None),
        Some(name) => propagation(name).map(Some).ok_or_else(|| {
            RuntimeError::field("linux.rootfsPropagation", name, "unknown propagation")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &str, options: &[&str]) -> Options {
        Options::parse(&Mount {
            kind: Some(kind.to_owned()),
            options: options.iter().map(|o| (*o).to_owned()).collect(),
            ..Mount::default()
        })
        .unwrap()
    }

    #[test]
    fn sorts_flags_propagation_and_data() {
        let options = parse("tmpfs", &["nosuid", "noexec", "mode=755", "size=64k", "rslave"]);
        assert_eq!(options.attributes.set, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC);
        assert_eq!(options.data[0], ("mode".to_owned(), Some("755".to_owned())));
        assert_eq!(options.propagation, [(libc::MS_SLAVE, Scope::Tree)]);
        assert!(options.bind.is_none());
    }

    #[test]
    fn recursive_and_plain_read_only_differ() {
        assert_eq!(parse("bind", &["ro"]).attributes.set, libc::MOUNT_ATTR_RDONLY);
        let tree = parse("none", &["rbind", "rro"]);
        assert_eq!(tree.bind, Some(Bind::Tree));
        assert_eq!(tree.tree_attributes.set, libc::MOUNT_ATTR_RDONLY);
        assert_eq!(tree.attributes.set, 0);
    }

    #[test]
    fn the_last_one_wins() {
        assert_eq!(parse("bind", &["ro", "rw"]).attributes.set, 0);
        assert_eq!(parse("bind", &["rw", "ro"]).attributes.set, libc::MOUNT_ATTR_RDONLY);
    }
}
