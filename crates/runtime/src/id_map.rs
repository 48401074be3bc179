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
    Fresh { uids: String, gids: String },
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
                })
            }
            _ => None,
        };
        Ok(Self { container, made: RefCell::default() })
    }

    /// The container's mappings; `None` without a user namespace.
    pub(crate) fn of_container(&self) -> Result<Option<OwnedFd>, RuntimeError> {
        match &self.container {
            None => Ok(None),
            Some(Container::Joined(fd)) => fd
                .try_clone()
                .map(Some)
                .map_err(|e| RuntimeError::system("duplicate", "user namespace", e)),
            Some(Container::Fresh { uids, gids }) => self.get(uids, gids).map(Some),
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

/// As `uid_map` has them.
pub(crate) fn lines(mappings: &[IdMapping]) -> String {
    mappings.iter().map(|m| format!("{} {} {}\n", m.container_id, m.host_id, m.size)).collect()
}
