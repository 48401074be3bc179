//! Device nodes and the rules of the device cgroup.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use engine_api::host_config::{DeviceMapping, HostConfig};
use oci::runtime::{Device, DeviceRule};
use rustix::fs::{major, minor};

use crate::ContainerError;

/// Nodes that every container may use: (type, major, minor, access), -1 for any.
const ALLOWED: &[(&str, i64, i64, &str)] = &[
    ("c", 1, 5, "rwm"),    // zero
    ("c", 1, 3, "rwm"),    // null
    ("c", 1, 9, "rwm"),    // urandom
    ("c", 1, 8, "rwm"),    // random
    ("c", 1, 7, "rwm"),    // full
    ("c", 5, 0, "rwm"),    // tty
    ("c", 5, 1, "rwm"),    // console
    ("c", 5, 2, "rwm"),    // ptmx
    ("c", 136, -1, "rwm"), // pts/*
    ("b", -1, -1, "m"),    // mknod is a capability of its own; use still needs a rule
    ("c", -1, -1, "m"),
];

fn rule(allow: bool, kind: &str, major: i64, minor: i64, access: &str) -> DeviceRule {
    DeviceRule {
        allow,
        kind: Some(kind.to_owned()),
        major: Some(major),
        minor: Some(minor),
        access: Some(access.to_owned()),
    }
}

/// Nodes and rules for a container.
///
/// # Errors
/// [`ContainerError::Invalid`] names a device or a rule that cannot be used.
pub fn plan(host: &HostConfig) -> Result<(Vec<Device>, Vec<DeviceRule>), ContainerError> {
    if host.privileged {
        let every = DeviceRule {
            allow: true,
            kind: Some("a".into()),
            major: None,
            minor: None,
            access: Some("rwm".into()),
        };
        return Ok((host_devices(Path::new("/dev")), vec![every]));
    }
    let mut rules = vec![DeviceRule { access: Some("rwm".into()), ..DeviceRule::default() }];
    rules.extend(
        ALLOWED.iter().map(|(kind, major, minor, access)| rule(true, kind, *major, *minor, access)),
    );
    let mut nodes = Vec::new();
    for mapping in host.resources.devices.iter().flatten() {
        let access = if mapping.cgroup_permissions.is_empty() {
            "rwm"
        } else {
            mapping.cgroup_permissions.as_str()
        };
        for device in mapped(mapping)? {
            rules.push(rule(true, &device.kind, device.major, device.minor, access));
            nodes.push(device);
        }
    }
    for text in host.resources.device_cgroup_rules.iter().flatten() {
        rules.push(parse_rule(text)?);
    }
    if host.resources.device_requests.as_ref().is_some_and(|requests| !requests.is_empty()) {
        return Err(ContainerError::NotBuilt(
            "could not select device driver: device requests (--gpus, CDI) are not built yet"
                .into(),
        ));
    }
    Ok((nodes, rules))
}

/// A device, or all devices below a directory.
fn mapped(mapping: &DeviceMapping) -> Result<Vec<Device>, ContainerError> {
    let source = Path::new(&mapping.path_on_host);
    let target = if mapping.path_in_container.is_empty() {
        mapping.path_on_host.clone()
    } else {
        mapping.path_in_container.clone()
    };
    let failed = |why: &dyn std::fmt::Display| {
        ContainerError::Invalid(format!(
            "error gathering device information while adding custom device \"{}\": {why}",
            mapping.path_on_host
        ))
    };
    let real = fs::canonicalize(source).map_err(|_| failed(&"no such file or directory"))?;
    if real.is_dir() {
        let found = host_devices(&real);
        if found.is_empty() {
            return Err(failed(&"not a device node"));
        }
        let prefix = real.to_string_lossy().into_owned();
        return Ok(found
            .into_iter()
            .map(|mut device| {
                device.path = device.path.replacen(&prefix, &target, 1);
                device
            })
            .collect());
    }
    let mut device = node(&real).ok_or_else(|| failed(&"not a device node"))?;
    device.path = target;
    Ok(vec![device])
}

fn node(path: &Path) -> Option<Device> {
    let meta = fs::symlink_metadata(path).ok()?;
    let kind = if meta.file_type().is_char_device() {
        "c"
    } else if meta.file_type().is_block_device() {
        "b"
    } else {
        return None;
    };
    Some(Device {
        path: path.to_string_lossy().into_owned(),
        kind: kind.to_owned(),
        major: i64::from(major(meta.rdev())),
        minor: i64::from(minor(meta.rdev())),
        file_mode: Some(meta.mode() & 0o7777),
        uid: Some(meta.uid()),
        gid: Some(meta.gid()),
    })
}

/// Devices below a directory; terminals and the container's own mounts are left out.
fn host_devices(root: &Path) -> Vec<Device> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let skipped = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
            if is_dir && !skipped.iter().any(|skip| name == *skip) {
                pending.push(path);
            } else if name != "console" {
                found.extend(node(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// `TYPE MAJOR:MINOR ACCESS`, e.g. `c 42:* rmw`.
fn parse_rule(text: &str) -> Result<DeviceRule, ContainerError> {
    let invalid =
        || ContainerError::Invalid(format!("invalid device cgroup rule format: '{text}'"));
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [kind, numbers, access] = parts[..] else { return Err(invalid()) };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    let number = |text: &str| match text {
        "*" => Ok(-1),
        digits => digits.parse::<u32>().map(i64::from).map_err(|_| invalid()),
    };
    let is_access = !access.is_empty() && access.chars().all(|c| "rwm".contains(c));
    if !matches!(kind, "a" | "b" | "c") || !is_access {
        return Err(invalid());
    }
    Ok(rule(true, kind, number(major)?, number(minor)?, access))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let parsed = parse_rule("c 42:* rmw").unwrap();
        assert_eq!((parsed.major, parsed.minor), (Some(42), Some(-1)));
        for bad in ["", "c 1:1", "x 1:1 r", "c 1 r", "c 1:1 q", "c a:1 r"] {
            assert!(parse_rule(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_device_by_name() {
        let mapping = DeviceMapping {
            path_on_host: "/dev/null".into(),
            path_in_container: "/dev/nil".into(),
            cgroup_permissions: "r".into(),
        };
        let found = mapped(&mapping).unwrap();
        assert_eq!((found[0].path.as_str(), found[0].major, found[0].minor), ("/dev/nil", 1, 3));
        let missing = DeviceMapping { path_on_host: "/dev/nosuch".into(), ..mapping };
        assert!(mapped(&missing).is_err());
    }

    #[test]
    fn privileged_has_every_node() {
        let host = HostConfig { privileged: true, ..HostConfig::default() };
        let (nodes, rules) = plan(&host).unwrap();
        assert!(nodes.iter().any(|node| node.path == "/dev/null"));
        assert_eq!(rules.len(), 1);
    }
}
