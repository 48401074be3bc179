//! `/dev/shm`, by the container's IPC mode.
//!
//! Only a shareable container has its memory mounted in the host's namespace (see
//! [`crate::host_mount`]): from there a container that joins it takes a copy of the mount. A
//! private one has a mount of its own that nobody else sees.

use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

use crate::{ContainerError, Containers, record::Record};

/// Docker's default size in bytes.
pub const DEFAULT_SHM_BYTES: i64 = 64 << 20;

/// Where a container's `/dev/shm` comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedMemory {
    /// A mount of its own.
    Own,
    /// It has none.
    Missing,
    /// A mount that others may share.
    Mounted(PathBuf),
}

/// The size of a container's shared memory in bytes.
pub(crate) fn size_bytes(record: &Record) -> i64 {
    Some(record.host_config.shm_size).filter(|size| *size > 0).unwrap_or(DEFAULT_SHM_BYTES)
}

impl Containers {
    /// Readies the shared memory of a container that is about to start.
    ///
    /// # Errors
    /// [`ContainerError::StartFailed`] when the container to share with does not run or does not
    /// share, [`ContainerError::File`] when it cannot be mounted.
    pub(crate) fn ready_shared_memory(
        &self,
        record: &Record,
    ) -> Result<SharedMemory, ContainerError> {
        match record.host_config.ipc_mode.as_str() {
            "none" => Ok(SharedMemory::Missing),
            "host" if Path::new("/dev/shm").is_dir() => {
                Ok(SharedMemory::Mounted("/dev/shm".into()))
            }
            "host" => Err(ContainerError::Conflict(
                "/dev/shm is not mounted, but must be for --ipc=host".into(),
            )),
            "shareable" if record.mounts.iter().all(|plan| plan.destination != "/dev/shm") => {
                let path = self.host_mount_path(&record.id, "shm");
                mount(&path, size_bytes(record))?;
                Ok(SharedMemory::Mounted(path))
            }
            mode => match mode.strip_prefix("container:") {
                Some(reference) => self.donated_memory(reference).map(SharedMemory::Mounted),
                None => Ok(SharedMemory::Own),
            },
        }
    }

    /// The memory of a container that shares.
    fn donated_memory(&self, reference: &str) -> Result<PathBuf, ContainerError> {
        let donor = self.running_to_join(reference, "IPC")?;
        let refused = || ContainerError::StartFailed {
            message: format!(
                "failed to join IPC namespace: container {reference}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
            ),
            exit_code: 128,
        };
        match donor.record().host_config.ipc_mode.as_str() {
            "host" => Ok("/dev/shm".into()),
            "shareable" => Some(self.host_mount_path(&donor.id, "shm"))
                .filter(|path| path.is_dir())
                .ok_or_else(refused),
            mode => match mode.strip_prefix("container:") {
                // One that joined shares what it joined.
                Some(first) => self.donated_memory(first),
                None => Err(refused()),
            },
        }
    }
}

fn mount(path: &Path, size_bytes: i64) -> Result<(), ContainerError> {
    crate::settings::make_dir(path, 0o700)?;
    let flags = MountFlags::NOEXEC | MountFlags::NOSUID | MountFlags::NODEV;
    let options = std::ffi::CString::new(format!("mode=1777,size={size_bytes}"))
        .expect("digits and letters hold no zero byte");
    rustix::mount::mount("shm", path, "tmpfs", flags, Some(options.as_c_str())).map_err(|error| {
        ContainerError::File { action: "mount", path: path.to_owned(), source: error.into() }
    })
}
