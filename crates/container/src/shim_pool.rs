//! One idle supervisor in reserve, so that a start need not wait for a program to load.
//!
//! A shim learns which container it serves by its first message, and its directory may be renamed
//! while it runs (see `shim_client::ShimConfig`). A spare that the engine leaves behind ends by
//! itself when its connection closes.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use shim_client::{Events, Shim, ShimConfig};

use crate::ContainerError;

/// Prefix of a spare's directory; never a container id, which is hexadecimal.
pub(crate) const SPARE_PREFIX: &str = "spare-";

/// The reserve; cheap to clone.
#[derive(Clone)]
pub struct ShimPool {
    shared: Arc<Shared>,
}

struct Shared {
    binary: PathBuf,
    root: PathBuf,
    serial: AtomicU64,
    spare: Mutex<Option<Spare>>,
}

struct Spare {
    shim: Shim,
    events: Events,
    dir: PathBuf,
}

impl ShimPool {
    /// Makes an empty reserve; `root` is `EXEC_ROOT/shims`.
    #[must_use]
    pub fn new(binary: PathBuf, root: PathBuf) -> Self {
        let shared = Shared { binary, root, serial: AtomicU64::new(0), spare: Mutex::new(None) };
        Self { shared: Arc::new(shared) }
    }

    /// Takes the spare, or starts a shim, and gives it the directory `dir`.
    ///
    /// # Errors
    /// [`ContainerError::Shim`] when the program cannot be started, [`ContainerError::File`] when
    /// the directory cannot be put in place.
    pub fn take(&self, dir: &Path) -> Result<(Shim, Events), ContainerError> {
        let reserved = self.shared.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let spare = match reserved.filter(|spare| spare.dir.join("shim.sock").exists()) {
            Some(spare) => spare,
            None => self.spawn()?,
        };
        std::fs::rename(&spare.dir, dir).map_err(|source| ContainerError::File {
            action: "rename the supervisor's directory to",
            path: dir.to_owned(),
            source,
        })?;
        Ok((spare.shim, spare.events))
    }

    /// Fills the reserve; called after a start has been answered.
    pub fn refill(&self) {
        let mut spare = self.shared.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_some() {
            return;
        }
        match self.spawn() {
            Ok(started) => *spare = Some(started),
            // The next start tries again and reports the failure to its caller.
            Err(error) => tracing::warn!(error = %types::error::chain(&error), "no spare shim"),
        }
    }

    fn spawn(&self) -> Result<Spare, ContainerError> {
        let serial = self.shared.serial.fetch_add(1, Ordering::Relaxed);
        let name = format!("{SPARE_PREFIX}{}-{serial}", std::process::id());
        let dir = self.shared.root.join(name);
        let config = ShimConfig { binary: self.shared.binary.clone(), dir: dir.clone() };
        let (shim, events) =
            Shim::spawn(&config).map_err(|e| ContainerError::Shim(types::error::chain(&e)))?;
        Ok(Spare { shim, events, dir })
    }
}
