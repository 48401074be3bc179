//! Id-mapped mounts: files shown with other owners than they have.
//!
//! The kernel wants the mappings as a user namespace. A mount gives its own, or follows the
//! container's (option `idmap`, or `ridmap` for all mounts below); the root of a container with a
//! user namespace can follow it too, so that no file of an image has to change its owner.

use std::{
    cell::RefCell,
    os::fd::{AsFd, OwnedFd},
};

use oci::runtime::{IdMapping, Mount, Spec};

use crate::{
    error::RuntimeError,
    namespace::{NamespaceKind, Namespaces},
};

/// Whose owners a container's root has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootOwners {
    /// As they are on the host.
    #[default]
    Host,
    /// As the container's user namespace maps them: files of the host's root are its root's.
    Mapped,
}

/// The namespaces for the mappings of one configuration.
#[derive(Debug)]
pub(crate) struct IdMaps {
    container: Option<Container>,
    made: RefCell<Vec<((String, String), OwnedFd)>>,
}

#[derive(Debug)]
enum Container {
    Joined(OwnedFd),
    Fresh { uids: String, gids: String, root: Option<(u32, u32)> },
}

/// Mappings, and what root becomes by them.
#[derive(Debug)]
pub(crate) struct Owners {
    pub(crate) mappings: OwnedFd,
    pub(crate) root: (u32, u32),
}

/// What id 0 becomes.
fn root_of(mappings: &[IdMapping]) -> Option<u32> {
    mappings.iter().find(|m| m.container_id == 0 && m.size > 0).map(|m| m.host_id)
}

impl IdMaps {
    /// Notes the container's own.
    pub(crate) fn plan(spec: &Spec, namespaces: &Namespaces) -> Result<Self, RuntimeError> {
        let joined = namespaces.joined.get(&NamespaceKind::User);
        let container = match (joined, &spec.linux) {
            (Some(fd), _) => {
                let fd = fd.try_clone();
                Some(Container::Joined(
                    fd.map_err(|e| RuntimeError::system("duplicate", "user namespace", e))?,
                ))
            }
            (None, Some(linux)) if namespaces.is_fresh(NamespaceKind::User) => {
                Some(Container::Fresh {
                    uids: lines(&linux.uid_mappings),
                    gids: lines(&linux.gid_mappings),
                    root: root_of(&linux.uid_mappings).zip(root_of(&linux.gid_mappings)),
                })
            }
            _ => None,
        };
        Ok(Self { container, made: RefCell::default() })
    }

    /// Who owns a root that follows the container's mappings; `None` without a user namespace.
    pub(crate) fn root_owners(&self) -> Result<Option<Owners>, RuntimeError> {
        let root = match &self.container {
            None => return Ok(None),
            Some(Container::Joined(_)) => {
                return Err(RuntimeError::Unsupported {
                    feature: "a mapped root in a user namespace that is joined",
                });
            }
            Some(Container::Fresh { root, .. }) => root,
        };
        let reason = "a mapped root needs a mapping of id 0";
        let root = root.ok_or_else(|| RuntimeError::field("linux.uidMappings", "", reason))?;
        Ok(self.of_container()?.map(|mappings| Owners { mappings, root }))
    }

    /// The container's mappings; `None` without a user namespace.
    pub(crate) fn of_container(&self) -> Result<Option<OwnedFd>, RuntimeError> {
        match &self.container {
            None => Ok(None),
            Some(Container::Joined(fd)) => fd
                .try_clone()
                .map(Some)
                .map_err(|e| RuntimeError::system("duplicate", "user namespace", e)),
            Some(Container::Fresh { uids, gids, .. }) => self.get(uids, gids).map(Some),
        }
    }

    /// A mount's own mappings, else the container's.
    pub(crate) fn of_mount(&self, mount: &Mount) -> Result<OwnedFd, RuntimeError> {
        let (uids, gids) = (&mount.uid_mappings, &mount.gid_mappings);
        if !uids.is_empty() && !gids.is_empty() {
            return self.get(&lines(uids), &lines(gids));
        }
        let reason = if uids.is_empty() && gids.is_empty() {
            "an id-mapped mount needs mappings, or a container with a user namespace"
        } else {
            "mappings of users and groups are both needed"
        };
        self.of_container()?
            .filter(|_| uids.is_empty() && gids.is_empty())
            .ok_or_else(|| RuntimeError::field("mounts.uidMappings", &mount.destination, reason))
    }

    fn get(&self, uids: &str, gids: &str) -> Result<OwnedFd, RuntimeError> {
        let fail = |e| RuntimeError::system("make user namespace for", "id mappings", e);
        let mut made = self.made.borrow_mut();
        let at = match made.iter().position(|((u, g), _)| u == uids && g == gids) {
            Some(at) => at,
            None => {
                let namespace = sys::user_namespace::make(uids, gids).map_err(fail)?;
                made.push(((uids.to_owned(), gids.to_owned()), namespace));
                made.len() - 1
            }
        };
        made[at].1.as_fd().try_clone_to_owned().map_err(fail)
    }
}

/// Id mappings of a new user namespace.
#[derive(Debug)]
pub(crate) struct Mappings {
    uids: String,
    gids: String,
}

impl Mappings {
    /// Reads the configuration; `None` without a new user namespace.
    pub(crate) fn plan(spec: &Spec, namespaces: &Namespaces) -> Result<Option<Self>, RuntimeError> {
        let none = Vec::new();
        let (uids, gids) = spec
            .linux
            .as_ref()
            .map_or((&none, &none), |linux| (&linux.uid_mappings, &linux.gid_mappings));
        if !namespaces.is_fresh(NamespaceKind::User) {
            return Ok(None);
        }
        if uids.is_empty() || gids.is_empty() {
            return Err(RuntimeError::field(
                "linux.uidMappings",
                "[]",
                "a new user namespace needs mappings of users and groups",
            ));
        }
        Ok(Some(Self { uids: lines(uids), gids: lines(gids) }))
    }

    /// Creator: gives them to the child that was born into the namespace.
    pub(crate) fn write(&self, pid: i32) -> Result<(), RuntimeError> {
        for (name, text) in [("uid_map", &self.uids), ("gid_map", &self.gids)] {
            let path = format!("/proc/{pid}/{name}");
            std::fs::write(&path, text).map_err(|e| RuntimeError::system("write", &path, e))?;
        }
        Ok(())
    }
}

/// As `uid_map` has them.
fn lines(mappings: &[IdMapping]) -> String {
    mappings.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect()
}
