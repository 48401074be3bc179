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
    },
}
