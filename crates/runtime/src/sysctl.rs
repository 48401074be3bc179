//! Kernel parameters of a container's namespaces.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::{
    error::RuntimeError,
    namespace::{NamespaceKind, Namespaces},
};

/// Parameters of the ipc namespace; `fs.mqueue.*` too.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Refuses parameters that would change the host: only those of a namespace that the container
/// has for itself are settable.
pub(crate) fn check(
    sysctls: Option<&BTreeMap<String, String>>,
    namespaces: &Namespaces,
) -> Result<(), RuntimeError> {
    for name in sysctls.into_iter().flat_map(BTreeMap::keys) {
        let dotted = dotted(name);
        let needed = if dotted.starts_with("net.") {
            NamespaceKind::Network
        } else if IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.") {
            NamespaceKind::Ipc
        } else if matches!(dotted.as_str(), "kernel.domainname" | "kernel.hostname") {
            NamespaceKind::Uts
        } else {
            return Err(RuntimeError::field(
                "linux.sysctl",
                name,
                "is not in a separate kernel namespace",
            ));
        };
        if !namespaces.is_own(needed) {
            return Err(RuntimeError::field(
                "linux.sysctl",
                name,
                "is not allowed in the host's namespace",
            ));
        }
        if path(name).split('/').any(|part| part.is_empty() || part == ".." || part == ".") {
            return Err(RuntimeError::field("linux.sysctl", name, "is not a name"));
        }
    }
    Ok(())
}

/// Writes them. The host's procfs shows the caller's namespaces in `sys`.
pub(crate) fn write_all(
    host_proc: &OwnedFd,
    sysctls: &BTreeMap<String, String>,
) -> Result<(), RuntimeError> {
    for (name, value) in sysctls {
        let path = format!("sys/{}", path(name));
        let fail = |e| RuntimeError::system("write sysctl", name, e);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file =
            rustix::fs::openat(host_proc, path.as_str(), flags, Mode::empty()).map_err(fail)?;
        rustix::io::write(&file, value.as_bytes()).map_err(fail)?;
    }
    Ok(())
}

/// As sysctl(8): the first separator decides which of `.` and `/` separates.
fn path(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'/' => name.to_owned(),
        _ => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
    }
}

fn dotted(name: &str) -> String {
    path(name).replace('/', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), "1".to_owned())])
    }

    #[test]
    fn only_own_namespaces_parameters_pass() {
        let own = Namespaces { fresh: vec![NamespaceKind::Network], joined: BTreeMap::new() };
        assert!(check(Some(&one("net.ipv4.ip_forward")), &own).is_ok());
        assert!(check(Some(&one("net/ipv4/conf/eth0.1/forwarding")), &own).is_ok());
        assert!(check(Some(&one("kernel.shmmax")), &own).is_err());
        assert!(check(Some(&one("kernel.panic")), &own).is_err());
        assert!(check(Some(&one("net.ipv4.ip_forward")), &Namespaces::default()).is_err());
        assert!(check(Some(&one("net.//.x")), &own).is_err());
    }
}
