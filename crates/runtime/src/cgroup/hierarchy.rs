//! Which hierarchies are mounted, and where.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{CgroupError, Result};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The directory that is the hierarchy's root.
    root: PathBuf,
    is_unified: bool,
    controllers: Vec<String>,
    /// A v1 hierarchy without controllers, e.g. `systemd`.
    name: Option<String>,
}

impl Hierarchy {
    /// Where it is mounted.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is v2.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        self.is_unified
    }

    /// Its controllers.
    #[must_use]
    pub fn controllers(&self) -> &[String] {
        &self.controllers
    }

    /// Whether it has this controller.
    #[must_use]
    pub fn has_controller(&self, name: &str) -> bool {
        self.controllers.iter().any(|c| c == name)
    }

    /// The directory's name below `/sys/fs/cgroup`.
    pub(crate) fn directory_name(&self) -> &str {
        self.root.file_name().and_then(|n| n.to_str()).unwrap_or("cgroup")
    }

    /// The options that mount the same hierarchy again.
    pub(crate) fn mount_data(&self) -> Vec<(String, Option<String>)> {
        if let Some(name) = &self.name {
            return vec![("none".to_owned(), None), ("name".to_owned(), Some(name.clone()))];
        }
        if self.is_unified {
            return Vec::new();
        }
        self.controllers.iter().map(|c| (c.clone(), None)).collect()
    }
}

/// Reads the mount table of the calling process.
pub(super) fn discover() -> Result<Vec<Hierarchy>> {
    let path = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(path).map_err(|e| CgroupError::file("read", path, e))?;
    let mut hierarchies = parse(&text);
    for hierarchy in hierarchies.iter_mut().filter(|h| h.is_unified) {
        let file = hierarchy.root.join("cgroup.controllers");
        let list = fs::read_to_string(&file).map_err(|e| CgroupError::file("read", &file, e))?;
        hierarchy.controllers = list.split_whitespace().map(str::to_owned).collect();
    }
    // A controller that is bound to a v1 hierarchy is not usable on v2.
    let bound: Vec<String> =
        hierarchies.iter().filter(|h| !h.is_unified).flat_map(|h| h.controllers.clone()).collect();
    for hierarchy in hierarchies.iter_mut().filter(|h| h.is_unified) {
        hierarchy.controllers.retain(|c| !bound.contains(c));
    }
    Ok(hierarchies)
}

/// The v1 flags among super block options that name no controller.
const FLAGS: [&str; 9] = [
    "rw",
    "ro",
    "xattr",
    "noprefix",
    "clone_children",
    "cpuset_v2_mode",
    "favordynmods",
    "nosuid",
    "relatime",
];

/// The hierarchies of a mount table, each once: a bind mount of a part of one (its root is not
/// `/`) is no place to make cgroups in when the whole is there too.
fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let (Some(root), Some(point)) = (left.get(3), left.get(4)) else { continue };
        let (Some(kind), Some(options)) = (right.first(), right.get(2)) else { continue };
        let is_unified = match *kind {
            "cgroup" => false,
            "cgroup2" => true,
            _ => continue,
        };
        if root.starts_with("/..") {
            continue;
        }
        let mut hierarchy = Hierarchy {
            root: PathBuf::from(unescape(point)),
            is_unified,
            controllers: Vec::new(),
            name: None,
        };
        if !is_unified {
            for option in options.split(',').filter(|o| !FLAGS.contains(o)) {
                match option.split_once('=') {
                    Some(("name", name)) => hierarchy.name = Some(name.to_owned()),
                    Some(_) => {}
                    None => hierarchy.controllers.push(option.to_owned()),
                }
            }
        }
        let is_known = found.iter().any(|h| {
            h.is_unified == is_unified
                && h.controllers == hierarchy.controllers
                && h.name == hierarchy.name
        });
        if !is_known {
            found.push(hierarchy);
        }
    }
    found
}

/// Undoes the octal escapes of mountinfo.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        match rest.get(at + 1..at + 4).and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:4 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw,nsdelegate
50 31 0:32 / /elsewhere/memory rw - cgroup cgroup rw,memory
";

    #[test]
    fn reads_a_hybrid_mount_table() {
        let found = parse(HYBRID);
        assert_eq!(found.len(), 4);
        assert!(found[0].has_controller("cpu") && found[0].has_controller("cpuacct"));
        assert_eq!(found[0].directory_name(), "cpu,cpuacct");
        assert_eq!(found[2].name.as_deref(), Some("systemd"));
        assert!(found[2].controllers().is_empty());
        assert!(found[3].is_unified());
        assert_eq!(found[3].root(), Path::new("/sys/fs/cgroup/uni fied"));
    }
}
