//! `PidMode`, `IpcMode`, `UTSMode`, `UsernsMode`, `CgroupnsMode`: what is built, and what a clear
//! refusal is for.

use engine_api::host_config::HostConfig;

use crate::ContainerError;

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
        mode if mode.starts_with("container:") => {
            return Err(ContainerError::NotBuilt(
                "joining another container's IPC namespace is not built yet".into(),
            ));
        }
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
    if host.links.as_ref().is_some_and(|links| !links.is_empty()) {
        return Err(ContainerError::NotBuilt("links are not built yet".into()));
    }
    Ok(())
}
