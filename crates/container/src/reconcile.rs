//! The engine's start: what rows say against what the kernel and the supervisors say.
//!
//! The same path runs at every start; there is no special recovery mode. Nothing that runs is
//! touched; what ended meanwhile gets its exit code from the record that its supervisor wrote.

use std::{collections::BTreeSet, sync::Arc};

use network::LiveEndpoint;
use shim_client::{Events, Shim, ShimError, ShimProcess};
use shim_protocol::{ContainerStatus, ExitRecord, Hello};
use types::ContainerId;

use crate::{
    ContainerError, Containers,
    clock::now_nanos,
    container::Container,
    containers::{TRASH, snapshot_key},
    create::remove_dir,
    state::{Phase, State, Transition},
    supervise::End,
};

/// What Docker says of a container whose end nobody saw.
const EXIT_CODE_UNKNOWN: i32 = 255;

/// What a start of the engine found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Containers that ran on.
    pub running: usize,
    /// Containers that ended while no engine was there.
    pub ended: usize,
    /// Removals that were finished.
    pub removed: usize,
    /// Directories, snapshots and cgroups without a row that were removed.
    pub leftovers: usize,
}

impl Containers {
    /// Brings rows and reality together. Run once, before the first request.
    ///
    /// # Errors
    /// Those of the database and of listing directories; a container that cannot be repaired is
    /// logged and left as it is.
    pub async fn reconcile(&self) -> Result<Report, ContainerError> {
        let mut report = Report::default();
        let mut live = Vec::new();
        let mut supervised = Vec::new();
        for container in self.all() {
            match self.reconnect(&container).await {
                Ok(Some((shim, hello, events))) => {
                    supervised.push((container, shim, hello, events))
                }
                Ok(None) => {
                    self.release_host_mounts(&container.id)?;
                    self.note_absent(&container, &mut report).await?;
                }
                Err(error) => {
                    tracing::error!(container.id = %container.id, error = %types::error::chain(&error), "cannot reconnect");
                }
            }
        }
        for (container, _, hello, _) in &supervised {
            if matches!(hello.state, ContainerStatus::Running { .. }) {
                live.push(LiveEndpoint { container: container.id.clone() });
            }
        }
        let repaired = self.inner.services.networks.reconcile(&live)?;
        tracing::info!(?repaired, "networks reconciled");
        for (container, shim, hello, events) in supervised {
            self.adopt(&container, shim, hello, events, &mut report).await?;
        }
        self.remove_leftovers(&mut report).await?;
        Ok(report)
    }

    async fn reconnect(
        &self,
        container: &Container,
    ) -> Result<Option<(Shim, Hello, Events)>, ContainerError> {
        let dir = self.shim_dir(&container.id);
        if !dir.exists() {
            return Ok(None);
        }
        match Shim::connect(&dir).await {
            Ok(connected) => Ok(Some(connected)),
            Err(ShimError::Connect { .. } | ShimError::Lost) => Ok(None),
            Err(error) => Err(ContainerError::Shim(types::error::chain(&error))),
        }
    }

    async fn adopt(
        &self,
        container: &Arc<Container>,
        shim: Shim,
        hello: Hello,
        events: Events,
        report: &mut Report,
    ) -> Result<(), ContainerError> {
        match hello.state {
            ContainerStatus::Running { pid, started_at_nanos, paused, .. } => {
                {
                    let mut live = container.live();
                    live.shim = Some(shim);
                    live.endpoint = self.inner.services.networks.endpoint(&container.id);
                }
                self.change_state(container, |state| {
                    adopt_running(state, pid, started_at_nanos, paused)
                })?;
                container.announce(false);
                self.supervise(container, events);
                self.monitor_health(container);
                report.running += 1;
            }
            ContainerStatus::Exited(record) => {
                container.live().shim = Some(shim);
                self.adopt_end(container, record.into(), report).await?;
            }
            // The engine died between making the shim and starting the container.
            ContainerStatus::Idle => {
                drop(shim);
                remove_dir(&self.shim_dir(&container.id))?;
                self.note_absent(container, report).await?;
            }
        }
        Ok(())
    }

    /// A container whose supervisor is not there.
    async fn note_absent(
        &self,
        container: &Arc<Container>,
        report: &mut Report,
    ) -> Result<(), ContainerError> {
        let dir = self.shim_dir(&container.id);
        let found = shim_client::read_exit_record(&dir).unwrap_or_default();
        let state = container.state();
        if state.is_running() || found.is_some() {
            let end = match found {
                Some(record) => record.into(),
                None if dir.exists() => self.end_of_lost(container),
                // No directory: the host was booted anew.
                None => ExitRecord {
                    exit_code: EXIT_CODE_UNKNOWN,
                    oom_killed: false,
                    started_at_nanos: state.started_at_nanos.unwrap_or_default(),
                    finished_at_nanos: now_nanos(),
                }
                .into(),
            };
            return self.adopt_end(container, end, report).await;
        }
        remove_dir(&dir)?;
        match state.phase {
            Phase::Removing | Phase::Dead => {
                let with_volumes =
                    state.removes_volumes || container.record().host_config.auto_remove;
                self.remove_locked(container, with_volumes).await?;
                report.removed += 1;
            }
            Phase::Exited if container.record().host_config.auto_remove => {
                self.auto_remove(container).await?;
                report.removed += 1;
            }
            _ => {}
        }
        Ok(())
    }

    async fn adopt_end(
        &self,
        container: &Arc<Container>,
        end: End,
        report: &mut Report,
    ) -> Result<(), ContainerError> {
        // The row may say "created": the engine died before it could note the start.
        let started = end.record.started_at_nanos;
        self.change_state(container, |state| adopt_running(state, 0, started, false))?;
        self.finish(container, end, None).await;
        report.ended += 1;
        Ok(())
    }

    async fn remove_leftovers(&self, report: &mut Report) -> Result<(), ContainerError> {
        let known: BTreeSet<ContainerId> =
            self.all().iter().map(|container| container.id.clone()).collect();
        let settings = &self.inner.settings;
        for entry in list(&settings.exec_dir.join("shims"))? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.parse::<ContainerId>().is_ok_and(|id| known.contains(&id)) {
                continue;
            }
            end_stray_shim(&entry).await;
            remove_dir(&entry)?;
            report.leftovers += 1;
        }
        for entry in list(&settings.data_dir)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == TRASH {
                continue;
            }
            if !name.parse::<ContainerId>().is_ok_and(|id| known.contains(&id)) {
                tracing::info!(path = %entry.display(), "removing a directory without a container");
                remove_dir(&entry)?;
                report.leftovers += 1;
            }
        }
        self.release_lost_volumes(&known, report)?;
        let wanted: BTreeSet<String> =
            known.iter().map(|id| snapshot_key(id).to_string()).collect();
        for key in self.inner.services.snapshots.snapshots()? {
            if !wanted.contains(&key.to_string()) {
                self.inner.services.snapshots.remove(&key)?;
                report.leftovers += 1;
            }
        }
        Ok(())
    }

    /// Volumes that a creation had taken when the engine died before the container's own row:
    /// nobody uses them, and the anonymous ones nobody knows.
    fn release_lost_volumes(
        &self,
        known: &BTreeSet<ContainerId>,
        report: &mut Report,
    ) -> Result<(), ContainerError> {
        let volumes = &self.inner.services.volumes;
        for volume in volumes.list()? {
            let users = volumes.users(&volume.name)?;
            let parsed = users.iter().filter_map(|user| user.parse::<ContainerId>().ok());
            let lost: Vec<_> = parsed.filter(|id| !known.contains(id)).collect();
            for id in &lost {
                volumes.release(id)?;
            }
            if volume.is_anonymous && !lost.is_empty() && lost.len() == users.len() {
                tracing::info!(volume = %volume.name, "removing an anonymous volume of a container that was never made");
                volumes.remove(&volume.name)?;
                report.leftovers += 1;
            }
        }
        Ok(())
    }
}

fn adopt_running(
    state: &mut State,
    pid: i32,
    started_at_nanos: i64,
    is_paused: bool,
) -> Result<(), ContainerError> {
    if matches!(state.phase, Phase::Removing | Phase::Dead) {
        // The removal was of a container that ran: it goes on once it has ended.
        state.phase = Phase::Exited;
    }
    if !state.is_running() {
        state.apply(Transition::Started { pid, at_nanos: started_at_nanos })?;
    }
    state.pid = pid;
    match (state.phase, is_paused) {
        (Phase::Running, true) => state.apply(Transition::Paused)?,
        (Phase::Paused, false) => state.apply(Transition::Resumed)?,
        _ => {}
    }
    Ok(())
}

/// Ends a supervisor that belongs to no row; its container dies with it.
async fn end_stray_shim(dir: &std::path::Path) {
    tracing::warn!(path = %dir.display(), "ending a supervisor without a container");
    let outcome = match ShimProcess::find(dir) {
        Ok(Some(process)) => process.kill(),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        tracing::warn!(path = %dir.display(), error = %types::error::chain(&error), "cannot end it");
    }
}

fn list(dir: &std::path::Path) -> Result<Vec<std::path::PathBuf>, ContainerError> {
    let failed = |source| ContainerError::File { action: "list", path: dir.to_owned(), source };
    std::fs::read_dir(dir)
        .map_err(failed)?
        .map(|entry| entry.map(|e| e.path()).map_err(failed))
        .collect()
}
