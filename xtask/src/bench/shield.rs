//! The greatest share of the processors for what is measured, on hosts with cgroup v1.
//!
//! Others at work on the machine then disturb less; they still take their part of caches, memory
//! and disk. It holds for every engine alike: clients and daemons run in the shield itself,
//! containers below their engine's cgroup, which has the same share.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::site::remove_cgroup;

const CONTROLLER: &str = "/sys/fs/cgroup/cpu";
/// The most that the kernel takes.
const SHARES: &str = "262144";

/// Holds this process and its children until it is dropped.
pub struct Shield(Option<PathBuf>);

impl Shield {
    /// Moves this process in. Without the controller there is no shield.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn raise() -> Result<Self> {
        let name = format!("gantry-bench-{}-clients", std::process::id());
        let Some(dir) = widen(&name)? else { return Ok(Self(None)) };
        enter(&dir)?;
        Ok(Self(Some(dir)))
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        let Some(dir) = &self.0 else { return };
        let left = enter(Path::new(CONTROLLER));
        if left.is_err() || !remove_cgroup(dir) {
            eprintln!("cannot leave {}", dir.display());
        }
    }
}

/// Makes a cgroup with the greatest share, if there is such a controller.
///
/// # Errors
/// The kernel refuses.
pub fn widen(name: &str) -> Result<Option<PathBuf>> {
    let controller = Path::new(CONTROLLER);
    if !controller.join("cpu.shares").exists() {
        return Ok(None);
    }
    let dir = controller.join(name);
    fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    fs::write(dir.join("cpu.shares"), SHARES).context("set cpu.shares")?;
    Ok(Some(dir))
}

fn enter(dir: &Path) -> Result<()> {
    let file = dir.join("cgroup.procs");
    fs::write(&file, std::process::id().to_string())
        .with_context(|| format!("write {}", file.display()))
}
