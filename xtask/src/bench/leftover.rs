//! What Docker and Podman leave on a host outside of the directories they are told to use.

use std::{fs, path::PathBuf, time::Duration};

use super::{command::wait_for, site::remove_cgroup};

/// How long the helpers of a container may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Directories below `/run` whose place cannot be configured.
const RUN: &[&str] = &["containerd", "docker", "containers", "crun"];
/// Cgroups that are made whatever parent is asked for.
const CGROUPS: &[&str] = &["docker", "libpod_parent"];

/// The known places that did not exist when the run began; removed at its end.
pub struct Leftovers {
    absent: Vec<PathBuf>,
}

impl Leftovers {
    /// Looks which of them exist.
    pub fn note() -> Self {
        let mut places: Vec<_> = RUN.iter().map(|name| PathBuf::from("/run").join(name)).collect();
        for entry in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            places.extend(CGROUPS.iter().map(|name| entry.path().join(name)));
        }
        places.retain(|place| !place.exists());
        Self { absent: places }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        for place in self.absent.iter().filter(|place| place.exists()) {
            // A cgroup's files are not files: only directories can be removed, once their last
            // process has ended.
            let outcome = if place.starts_with("/sys") {
                wait_for("its last process to end", PATIENCE, || remove_cgroup(place))
            } else {
                fs::remove_dir_all(place).map_err(Into::into)
            };
            if let Err(error) = outcome {
                eprintln!("cannot remove {}: {error:#}", place.display());
            }
        }
    }
}
