//! What a container's root is made of, as handed from the store to the runtime.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A root file system that is yet to be mounted.
///
/// The engine describes it; the runtime mounts it inside the container's own mount namespace, so
/// that no host mount exists that could be left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum RootFilesystem {
    /// A directory that is the root as it stands (OCI bundles; plain-copy snapshots).
    Directory {
        /// Absolute path.
        path: PathBuf,
    },
    /// An overlayfs over layer directories.
    Overlay {
        /// Read-only layer directories, topmost first; any number.
        lower: Vec<PathBuf>,
        /// The writable layer; absent for a read-only view.
        upper: Option<PathBuf>,
        /// overlayfs' work directory, on the same file system as `upper`.
        work: Option<PathBuf>,
        /// Whether the writable layer is of no use after a crash of the host. Nothing is flushed
        /// for it then: not when a process in it asks, and not when it is unmounted, which
        /// otherwise writes back everything that is dirty on the whole file system below.
        #[serde(default)]
        is_volatile: bool,
    },
}

impl RootFilesystem {
    /// The same to be read only: the writable layer becomes the topmost of the others, so that
    /// looking costs no flush, and disturbs nobody who has it mounted.
    #[must_use]
    pub fn into_view(self) -> Self {
        match self {
            Self::Overlay { mut lower, upper, .. } => {
                lower.splice(0..0, upper);
                Self::Overlay { lower, upper: None, work: None, is_volatile: false }
            }
            directory => directory,
        }
    }

    /// The same, not to be kept through a crash of the host.
    #[must_use]
    pub fn into_volatile(mut self) -> Self {
        if let Self::Overlay { is_volatile, .. } = &mut self {
            *is_volatile = true;
        }
        self
    }
}
