//! Device nodes and the links of `/dev`.

use std::os::fd::{AsFd, OwnedFd};

use oci::runtime::{Device, Spec};
use rustix::{
    fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid},
    io::Errno,
};

use crate::{error::RuntimeError, mount_options::Bind, tree, tree::Tree};

/// Nodes that every container has.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Links that every container has.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// A node to make.
#[derive(Debug)]
pub(crate) struct PlannedDevice {
    path: String,
    kind: FileType,
    number: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    /// In a user namespace nodes cannot be made: the host's node is bound instead.
    host: Option<OwnedFd>,
}

impl PlannedDevice {
    fn new(device: &Device) -> Result<Self, RuntimeError> {
        let kind = match device.kind.as_str() {
            "c" | "u" => FileType::CharacterDevice,
            "b" => FileType::BlockDevice,
            "p" => FileType::Fifo,
            other => return Err(RuntimeError::field("linux.devices.type", other, "unknown type")),
        };
        let part = |n: i64| {
            u32::try_from(n)
                .map_err(|_| RuntimeError::field("linux.devices", n, "is not a device number"))
        };
        let number = match kind {
            FileType::Fifo => 0,
            _ => rustix::fs::makedev(part(device.major)?, part(device.minor)?),
        };
        Ok(Self {
            path: device.path.clone(),
            kind,
            number,
            mode: device.file_mode.unwrap_or(0o666) & 0o7777,
            uid: device.uid.unwrap_or(0),
            gid: device.gid.unwrap_or(0),
            host: None,
        })
    }

    fn open_host(&mut self) -> Result<(), RuntimeError> {
        let fail = |e| RuntimeError::system("open device", &self.path, e);
        let node = rustix::fs::openat(
            CWD,
            self.path.as_str(),
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(fail)?;
        self.host = Some(tree::clone_mount(node.as_fd(), Bind::One).map_err(fail)?);
        Ok(())
    }

    fn make(&self, root: &Tree) -> Result<(), Errno> {
        if let Some(host) = &self.host {
            let target = root.make_file(&self.path)?;
            return tree::attach(host.as_fd(), target.as_fd());
        }
        let (parent, name) = root.make_parent(&self.path)?;
        match rustix::fs::mknodat(
            &parent,
            name,
            self.kind,
            Mode::from_raw_mode(self.mode),
            self.number,
        ) {
            Ok(()) => {}
            Err(Errno::EXIST) => return self.accept_existing(&parent, name),
            Err(e) => return Err(e),
        }
        rustix::fs::chownat(
            &parent,
            name,
            Some(Uid::from_raw(self.uid)),
            Some(Gid::from_raw(self.gid)),
            AtFlags::SYMLINK_NOFOLLOW,
        )
    }

    /// A node that is there already must be the right one.
    fn accept_existing(&self, parent: &OwnedFd, name: &str) -> Result<(), Errno> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let is_same =
            FileType::from_raw_mode(stat.st_mode) == self.kind && stat.st_rdev == self.number;
        if is_same { Ok(()) } else { Err(Errno::EXIST) }
    }
}

/// The nodes of the configuration, then the default ones that it does not name.
pub(crate) fn plan(
    spec: &Spec,
    in_user_namespace: bool,
) -> Result<Vec<PlannedDevice>, RuntimeError> {
    let mut devices = Vec::new();
    for device in spec.linux.iter().flat_map(|l| &l.devices) {
        devices.push(PlannedDevice::new(device)?);
    }
    for (path, major, minor) in DEFAULT {
        if !devices.iter().any(|d| d.path == path) {
            devices.push(PlannedDevice {
                path: path.to_owned(),
                kind: FileType::CharacterDevice,
                number: rustix::fs::makedev(major, minor),
                mode: 0o666,
                uid: 0,
                gid: 0,
                host: None,
            });
        }
    }
    if in_user_namespace {
        devices.iter_mut().try_for_each(PlannedDevice::open_host)?;
    }
    Ok(devices)
}

/// Makes the nodes and links. The file mode mask must be 0.
pub(crate) fn make_all(root: &Tree, devices: &[PlannedDevice]) -> Result<(), RuntimeError> {
    for device in devices {
        device.make(root).map_err(|e| RuntimeError::system("make device", &device.path, e))?;
    }
    let fail = |name: &'static str| move |e| RuntimeError::system("make link", name, e);
    let dev = root.make_directory("/dev").map_err(fail("/dev"))?;
    for (name, target) in LINKS {
        if name == "core" && root.find(target).is_err() {
            continue;
        }
        match rustix::fs::symlinkat(target, &dev, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(fail(name)(e)),
        }
    }
    make_ptmx(&dev).map_err(fail("/dev/ptmx"))
}

/// `/dev/ptmx` must be the container's own, not a node that opens the host's devpts.
fn make_ptmx(dev: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::unlinkat(dev, "ptmx", AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(e),
    }
    rustix::fs::symlinkat("pts/ptmx", dev, "ptmx")
}
