//! Namespaces of other containers that a container joins.

use std::{collections::BTreeMap, os::fd::OwnedFd, path::PathBuf, sync::Arc};

use crate::{
    ContainerError, Containers,
    container::Container,
    record::Record,
    state::{Phase, State},
};

impl Containers {
    /// The process and IPC namespaces that a container joins, by the runtime's names.
    ///
    /// # Errors
    /// [`ContainerError::StartFailed`] when the other container does not run.
    pub(crate) fn joined_namespaces(
        &self,
        record: &Record,
    ) -> Result<BTreeMap<String, OwnedFd>, ContainerError> {
        let host = &record.host_config;
        let mut joined = BTreeMap::new();
        for (mode, kind, word) in [(&host.pid_mode, "pid", "PID"), (&host.ipc_mode, "ipc", "IPC")] {
            if let Some(reference) = mode.strip_prefix("container:") {
                let other = self.running_to_join(reference, word)?;
                joined.insert(kind.to_owned(), open(&other.state(), kind)?);
            }
        }
        Ok(joined)
    }

    /// A container whose namespace is to be joined; one that does not run is the engine's failure
    /// to start (500), not the request's, as in Docker.
    pub(crate) fn running_to_join(
        &self,
        reference: &str,
        word: &str,
    ) -> Result<Arc<Container>, ContainerError> {
        let failed = |cause: String| ContainerError::StartFailed {
            message: format!("failed to join {word} namespace: {cause}"),
            exit_code: 128,
        };
        let other = self.find(reference).map_err(|error| failed(error.to_string()))?;
        match other.state().phase {
            Phase::Running | Phase::Paused => Ok(other),
            Phase::Restarting => Err(failed(format!(
                "container {reference} is restarting, wait until the container is running"
            ))),
            _ => Err(failed(ContainerError::NotRunning(reference.to_owned()).to_string())),
        }
    }

    /// The network namespace of another running container.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] when it does not run.
    pub(crate) fn network_namespace_of(&self, reference: &str) -> Result<OwnedFd, ContainerError> {
        let other = self.find(reference)?;
        let state = other.state();
        if state.pid == 0 {
            return Err(ContainerError::Conflict(format!(
                "cannot join network namespace of a non running container: container {} is {}",
                other.record().name,
                state.phase.as_str()
            )));
        }
        open(&state, "net")
    }
}

fn open(state: &State, kind: &str) -> Result<OwnedFd, ContainerError> {
    let path = PathBuf::from(format!("/proc/{}/ns/{kind}", state.pid));
    std::fs::File::open(&path).map(OwnedFd::from).map_err(|source| ContainerError::File {
        action: "open",
        path,
        source,
    })
}
