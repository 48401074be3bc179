//! Capability sets: Docker's default 14, `CapAdd`, `CapDrop`, privileged.

use runtime::CAPABILITY_NAMES as ALL;

use crate::ContainerError;

/// What a container has unless it asks otherwise (moby `daemon/pkg/oci/caps/defaults.go`).
const DEFAULT: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// How many capabilities the running kernel has; the engine cannot give what it does not know.
fn known_to_kernel() -> usize {
    std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")
        .ok()
        .and_then(|text| text.trim().parse::<usize>().ok())
        .map_or(ALL.len(), |last| (last + 1).min(ALL.len()))
}

/// Every capability of the running kernel.
#[must_use]
pub fn all() -> Vec<String> {
    ALL[..known_to_kernel()].iter().map(|name| (*name).to_owned()).collect()
}

/// `net_admin`, `NET_ADMIN` and `CAP_NET_ADMIN` are the same; `ALL` stays.
fn normalise(name: &str, option: &'static str) -> Result<String, ContainerError> {
    let upper = name.to_ascii_uppercase();
    if upper == "ALL" {
        return Ok(upper);
    }
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    if ALL.contains(&full.as_str()) {
        Ok(full)
    } else {
        Err(ContainerError::Invalid(format!("invalid {option}: unknown capability: \"{full}\"")))
    }
}

fn normalise_all(names: &[String], option: &'static str) -> Result<Vec<String>, ContainerError> {
    names.iter().map(|name| normalise(name, option)).collect()
}

/// The effective set of a container.
///
/// # Errors
/// [`ContainerError::Invalid`] names an unknown capability.
pub fn effective(
    add: &[String],
    drop: &[String],
    is_privileged: bool,
) -> Result<Vec<String>, ContainerError> {
    let add = normalise_all(add, "CapAdd")?;
    let drop = normalise_all(drop, "CapDrop")?;
    if is_privileged {
        return Ok(all());
    }
    let has = |list: &[String], name: &str| list.iter().any(|n| n == name);
    let base: Vec<String> = match (has(&add, "ALL"), has(&drop, "ALL")) {
        // Everything but what is dropped by name.
        (true, _) => all(),
        (false, true) => Vec::new(),
        (false, false) => DEFAULT.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut set: Vec<String> = base.into_iter().filter(|name| !has(&drop, name)).collect();
    for name in add.into_iter().filter(|name| name != "ALL") {
        if !has(&set, &name) && !has(&drop, &name) {
            set.push(name);
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(add: &[&str], drop: &[&str]) -> Vec<String> {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        effective(&owned(add), &owned(drop), false).unwrap()
    }

    #[test]
    fn defaults_add_and_drop() {
        assert_eq!(set(&[], &[]).len(), 14);
        assert!(set(&["net_admin"], &[]).contains(&"CAP_NET_ADMIN".to_owned()));
        assert!(!set(&[], &["CAP_CHOWN"]).contains(&"CAP_CHOWN".to_owned()));
        assert_eq!(set(&["CHOWN"], &["ALL"]), ["CAP_CHOWN"]);
        assert!(!set(&["ALL"], &["sys_admin"]).contains(&"CAP_SYS_ADMIN".to_owned()));
        assert!(effective(&["nosuch".into()], &[], false).is_err());
    }
}
