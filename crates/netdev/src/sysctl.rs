//! The kernel's network settings below /proc/sys/net, of the calling thread's namespace.

use std::{fs, path::Path};

use crate::{LinkName, NetdevError};

/// Which protocol's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// /proc/sys/net/ipv4.
    V4,
    /// /proc/sys/net/ipv6; the kernel may have been built or started without it.
    V6,
}

/// Whether a setting had to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was as wanted.
    None,
    /// It was written.
    Made,
    /// The kernel lacks it.
    Absent,
}

/// Sets `net.ipv{4,6}.conf.LINK.KEY`.
///
/// # Errors
/// [`NetdevError::Sysctl`]; an IPv6 setting of a kernel without IPv6 is [`Change::Absent`].
pub fn set_link(
    family: Family,
    link: &LinkName,
    key: &str,
    value: &str,
) -> Result<Change, NetdevError> {
    let directory = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let change = set(&format!("net/{directory}/conf/{link}/{key}"), value)?;
    match (family, change) {
        (Family::V4, Change::Absent) => Err(NetdevError::Sysctl {
            path: format!("/proc/sys/net/ipv4/conf/{link}/{key}").into(),
            source: std::io::ErrorKind::NotFound.into(),
        }),
        _ => Ok(change),
    }
}

/// Sets /proc/sys/`key`, only if it differs: a container host's /proc/sys may be read-only and
/// right.
///
/// # Errors
/// [`NetdevError::Sysctl`]; a setting that the kernel lacks is [`Change::Absent`].
pub fn set(key: &str, value: &str) -> Result<Change, NetdevError> {
    let path = Path::new("/proc/sys").join(key);
    match fs::read_to_string(&path) {
        Ok(found) if found.trim_end() == value => return Ok(Change::None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Change::Absent),
        _ => {}
    }
    fs::write(&path, value)
        .map(|()| Change::Made)
        .map_err(|source| NetdevError::Sysctl { path, source })
}

/// Reads /proc/sys/`key`; `None` when it is not there or not text.
#[must_use]
pub fn get(key: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/sys").join(key)).ok()?;
    Some(text.trim_end().to_owned())
}
