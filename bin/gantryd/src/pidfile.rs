//! The file with the engine's process id, which also keeps a second engine away.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// Removed when dropped.
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file, replacing that of an engine which is gone.
    ///
    /// # Errors
    /// Another engine runs, or the file cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        if let Some(pid) = still_running(path)? {
            bail!(
                "failed to start the engine: process with PID {pid} is still running: ensure \
                 gantryd is not running or delete {}",
                path.display()
            );
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(path, std::process::id().to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove the pidfile");
        }
    }
}

/// How long an engine that was just killed may take to be gone.
const ENDING: std::time::Duration = std::time::Duration::from_secs(2);

/// The process that the file names, unless it ends within [`ENDING`].
fn still_running(path: &Path) -> anyhow::Result<Option<u32>> {
    let deadline = std::time::Instant::now() + ENDING;
    loop {
        let found = running(path)?;
        if found.is_none() || std::time::Instant::now() >= deadline {
            return Ok(found);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The process that the file names, if it lives and has this program's name: after a reboot the
/// number may belong to anyone.
fn running(path: &Path) -> anyhow::Result<Option<u32>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    };
    let Ok(pid) = text.trim().parse::<u32>() else { return Ok(None) };
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let is_engine = pid != std::process::id() && name(&pid.to_string()) == name("self");
    Ok((is_engine && !is_zombie(pid)).then_some(pid))
}

/// An ended process that its parent has not waited for runs no more.
fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the command, which may hold parentheses itself.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_files_are_replaced_and_the_file_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/pid");
        for stale in ["", "nonsense", "999999999", "1"] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, stale).unwrap();
            let file = PidFile::create(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
            drop(file);
            assert!(!path.exists());
        }
    }
}
