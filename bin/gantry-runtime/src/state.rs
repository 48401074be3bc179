//! A container's state on disk.
//!
//! ```text
//! ROOT/ID/state.json   Record, written once at creation
//! ROOT/ID/exec.fifo    there until the container is started
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use oci::runtime::Spec;
use serde::{Deserialize, Serialize};

/// What is kept of a container.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`, against reuse of the pid.
    pub start_time: u64,
    pub bundle: PathBuf,
    pub created: String,
    pub cgroup_path: String,
    /// Where the root is mounted on the host, without a mount namespace.
    #[serde(default)]
    pub host_root: Option<runtime::HostRoot>,
    pub spec: Spec,
}

/// The directory of a container.
pub fn directory(root: &Path, id: &str) -> anyhow::Result<PathBuf> {
    let is_valid = !id.is_empty()
        && id.len() <= 1024
        && id != "."
        && id != ".."
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-.".contains(&b));
    if !is_valid {
        bail!("invalid id format: {id:?}");
    }
    Ok(root.join(id))
}

/// The FIFO at which a created container waits.
pub fn fifo(directory: &Path) -> PathBuf {
    directory.join("exec.fifo")
}

impl Record {
    /// Writes it, whole or not at all.
    pub fn save(&self, directory: &Path) -> anyhow::Result<()> {
        let (path, draft) = (directory.join("state.json"), directory.join("state.json.new"));
        fs::write(&draft, serde_json::to_vec(self)?)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("write {}", path.display()))
    }

    /// Reads it.
    pub fn load(root: &Path, id: &str) -> anyhow::Result<Self> {
        let path = directory(root, id)?.join("state.json");
        match fs::read(&path) {
            Ok(json) => Ok(serde_json::from_slice(&json)
                .with_context(|| format!("decode {}", path.display()))?),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                bail!("container {id:?} does not exist")
            }
            Err(e) => Err(e).with_context(|| format!("read {}", path.display())),
        }
    }
}

/// A process's start time, if it lives and is not a zombie.
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
