//! `PidMode`, `IpcMode`, `UTSMode`, `UsernsMode`, `CgroupnsMode`: what is built, and what a clear
//! refusal is for.

use engine_api::host_config::HostConfig;

use crate::{ContainerError, Containers};

impl Containers {
    /// Names containers whose namespaces are shared by their ids, which a renaming does not
    /// change. One that does not exist is left as it is, for the check that says so.
    pub(crate) fn name_shared_by_id(&self, host: &mut HostConfig) {
        for mode in [&mut host.pid_mode, &mut host.ipc_mode, &mut host.network_mode] {
            if let Some(reference) = mode.strip_prefix("container:")
                && let Ok(container) = self.find(reference)
            {
                *mode = format!("container:{}", container.id);
            }
        }
    }

    /// Refuses to share the process namespace of a container that does not exist.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] names it.
    pub(crate) fn check_shared(&self, host: &HostConfig) -> Result<(), ContainerError> {
        for mode in [&host.pid_mode, &host.ipc_mode] {
            if let Some(reference) = mode.strip_prefix("container:")
                && let Err(error) = self.find(reference)
            {
                return Err(invalid(error.to_string()));
            }
        }
        Ok(())
    }
}

fn invalid(text: String) -> ContainerError {
    ContainerError::Invalid(text)
}

/// Refuses modes that do not exist or are not built yet.
///
/// # Errors
/// [`ContainerError::Invalid`] and [`ContainerError::NotBuilt`].
pub fn check(host: &HostConfig) -> Result<(), ContainerError> {
    match host.pid_mode.as_str() {
        "" | "host" => {}
        mode if mode.starts_with("container:") && mode.len() > "container:".len() => {}
        mode => return Err(invalid(format!("invalid PID mode: {mode}"))),
    }
    match host.ipc_mode.as_str() {
        "" | "none" | "private" | "shareable" | "host" => {}
        mode if mode.starts_with("container:") && mode.len() > "container:".len() => {}
        mode => return Err(invalid(format!("invalid IPC mode: {mode}"))),
    }
    if !matches!(host.uts_mode.as_str(), "" | "host") {
        return Err(invalid(format!("invalid UTS mode: {}", host.uts_mode)));
    }
    if !matches!(host.userns_mode.as_str(), "" | "host") {
        return Err(invalid(format!("invalid user namespace mode: {}", host.userns_mode)));
    }
    if !matches!(host.cgroupns_mode.as_str(), "" | "host" | "private") {
        return Err(invalid(format!("invalid cgroup namespace mode: {}", host.cgroupns_mode)));
    }
    Ok(())
}
