//! Kinds of namespaces and which of them a container makes, joins or shares with the host.

use std::{collections::BTreeMap, fs::File, os::fd::OwnedFd};

use oci::runtime::Spec;

use crate::error::RuntimeError;

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceKind {
    /// Ids and capabilities; joined before all others.
    User,
    /// Mounts.
    Mount,
    /// Network.
    Network,
    /// System V IPC and POSIX queues.
    Ipc,
    /// Process ids.
    Pid,
    /// Host and domain name.
    Uts,
    /// The view of the cgroup tree.
    Cgroup,
    /// Monotonic and boot time.
    Time,
}

impl NamespaceKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Mount,
        Self::Network,
        Self::Ipc,
        Self::Pid,
        Self::Uts,
        Self::Cgroup,
        Self::Time,
    ];

    /// Reads the name of `config.json` or of `/proc/PID/ns`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "user" => Self::User,
            "mount" | "mnt" => Self::Mount,
            "network" | "net" => Self::Network,
            "ipc" => Self::Ipc,
            "pid" => Self::Pid,
            "uts" => Self::Uts,
            "cgroup" => Self::Cgroup,
            "time" => Self::Time,
            _ => return None,
        })
    }

    /// The name in `/proc/PID/ns`.
    #[must_use]
    pub const fn proc_name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mnt",
            Self::Network => "net",
            Self::Ipc => "ipc",
            Self::Pid => "pid",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// The `CLONE_NEW*` flag.
    #[must_use]
    pub const fn flag(self) -> i32 {
        match self {
            Self::User => libc::CLONE_NEWUSER,
            Self::Mount => libc::CLONE_NEWNS,
            Self::Network => libc::CLONE_NEWNET,
            Self::Ipc => libc::CLONE_NEWIPC,
            Self::Pid => libc::CLONE_NEWPID,
            Self::Uts => libc::CLONE_NEWUTS,
            Self::Cgroup => libc::CLONE_NEWCGROUP,
            Self::Time => libc::CLONE_NEWTIME,
        }
    }
}

/// Which namespaces a container gets.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// Made for it.
    pub fresh: Vec<NamespaceKind>,
    /// Joined.
    pub joined: BTreeMap<NamespaceKind, OwnedFd>,
}

impl Namespaces {
    /// Reads the configuration; `given` descriptors win over its entries.
    ///
    /// # Errors
    /// For unknown kinds, duplicates, and paths that cannot be opened.
    pub fn plan(
        spec: &Spec,
        given: BTreeMap<NamespaceKind, OwnedFd>,
    ) -> Result<Self, RuntimeError> {
        let mut plan = Self { fresh: Vec::new(), joined: given };
        let mut seen = Vec::new();
        for entry in spec.linux.iter().flat_map(|l| &l.namespaces) {
            let kind = NamespaceKind::parse(&entry.kind).ok_or_else(|| {
                RuntimeError::field("linux.namespaces", &entry.kind, "there is no such kind")
            })?;
            if seen.contains(&kind) {
                return Err(RuntimeError::field("linux.namespaces", &entry.kind, "given twice"));
            }
            seen.push(kind);
            if plan.joined.contains_key(&kind) {
                continue;
            }
            match entry.path.as_deref().filter(|p| !p.as_os_str().is_empty()) {
                None => plan.fresh.push(kind),
                Some(path) => {
                    let file = File::open(path)
                        .map_err(|e| RuntimeError::system("open namespace", path.display(), e))?;
                    plan.joined.insert(kind, file.into());
                }
            }
        }
        Ok(plan)
    }

    /// Whether the container gets a new namespace of this kind.
    #[must_use]
    pub fn is_fresh(&self, kind: NamespaceKind) -> bool {
        self.fresh.contains(&kind)
    }

    /// Whether the container has a namespace of this kind that is not the host's.
    #[must_use]
    pub fn is_own(&self, kind: NamespaceKind) -> bool {
        self.is_fresh(kind) || self.joined.contains_key(&kind)
    }

    /// The flags for `clone3`. The cgroup and time namespaces are made by the child itself: the
    /// first needs it to be in its cgroup already, the second needs its offsets written before
    /// anyone is inside.
    #[must_use]
    pub fn clone_flags(&self) -> u64 {
        self.fresh
            .iter()
            .filter(|kind| !matches!(kind, NamespaceKind::Cgroup | NamespaceKind::Time))
            .map(|kind| kind.flag() as u64)
            .sum()
    }
}
