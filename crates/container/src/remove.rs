//! Removal.

use std::{collections::BTreeMap, sync::Arc};

use snapshot::SnapshotError;
use types::ContainerId;

use crate::{
    ContainerError, Containers,
    container::Container,
    containers::snapshot_key,
    phase::Stopwatch,
    state::{Phase, Transition},
};

/// How to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Kill it first if it runs.
    pub is_forced: bool,
    /// Remove its anonymous volumes too.
    pub with_volumes: bool,
}

impl Containers {
    /// Removes a container with everything that is its own.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] when it runs and removal is not forced,
    /// [`ContainerError::Removal`] lists every step that failed.
    pub async fn remove(
        &self,
        reference: &str,
        options: RemoveOptions,
    ) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let _operation = container.lock().await;
        let (state, name) = (container.state(), container.record().name.clone());
        match state.phase {
            Phase::Running | Phase::Paused | Phase::Restarting if !options.is_forced => {
                let (what, hint) = match state.phase {
                    Phase::Paused => (
                        "paused",
                        "unpause and then stop the container before removing or force remove",
                    ),
                    Phase::Restarting => {
                        ("restarting", "stop the container before removing or force remove")
                    }
                    _ => ("running", "stop the container before removing or force remove"),
                };
                return Err(ContainerError::Conflict(format!(
                    "cannot remove container \"{name}\": container is {what}: {hint}"
                )));
            }
            Phase::Running | Phase::Paused => {
                self.change_state(&container, |state| {
                    state.is_manually_stopped = true;
                    Ok(())
                })?;
                self.kill_init(&container).await?;
            }
            _ => {}
        }
        // An auto-removal may have been quicker.
        if container.watch().borrow().is_removed {
            return Ok(());
        }
        self.remove_locked(&container, options.with_volumes).await
    }

    /// Removal after the end of a container that was made with `--rm`.
    pub(crate) async fn auto_remove(
        &self,
        container: &Arc<Container>,
    ) -> Result<(), ContainerError> {
        let may_go = |phase| !matches!(phase, Phase::Running | Phase::Paused);
        // A caller who is killing the container holds its lock until the end is announced.
        let _operation = container.lock().await;
        let progress = *container.watch().borrow();
        if progress.is_removed || !may_go(progress.phase) {
            return Ok(());
        }
        self.remove_locked(container, true).await
    }

    pub(crate) async fn remove_locked(
        &self,
        container: &Arc<Container>,
        with_volumes: bool,
    ) -> Result<(), ContainerError> {
        // Written down with the decision: a removal that is cut off is finished as it was asked for.
        self.change_state(container, |state| {
            state.removes_volumes = with_volumes;
            Ok(state.apply(Transition::RemovalBegun)?)
        })?;
        container.announce(false);
        let (service, removed) = (self.clone(), Arc::clone(container));
        let outcome =
            tokio::task::spawn_blocking(move || service.remove_parts(&removed, with_volumes))
                .await
                .map_err(|error| ContainerError::Shim(error.to_string()))?;
        if let Err(error) = outcome {
            let text = types::error::chain(&error);
            self.transition(container, Transition::RemovalFailed { error: text })?;
            return Err(error);
        }
        self.publish(container, "destroy", BTreeMap::new());
        container.announce_removal();
        self.sweep_images(container);
        Ok(())
    }

    /// Lets the image service delete an image that was removed by force while this container
    /// still used it.
    fn sweep_images(&self, container: &Container) {
        let image = container.record().image.clone();
        let images = self.inner.services.images.clone();
        // Named images stay whoever uses them: the common case costs one look-up.
        if images.get(&image).is_ok_and(|image| !image.is_dangling()) {
            return;
        }
        let usage = Arc::new(crate::ImageUsage(self.clone()));
        // Not awaited by the caller, whose container is gone; the start of the engine sweeps too.
        tokio::spawn(async move {
            if let Err(error) = images.sweep(usage).await {
                tracing::warn!(error = %types::error::chain(&error), "cannot sweep images");
            }
        });
    }

    /// Every step is tried; the row goes last, so that a failure can be tried again.
    fn remove_parts(
        &self,
        container: &Container,
        with_volumes: bool,
    ) -> Result<(), ContainerError> {
        let record = container.record();
        let mut watch = Stopwatch::start(&record.id);
        let mut failures: Vec<String> = Vec::new();
        let mut note = |outcome: Result<(), ContainerError>| {
            failures.extend(outcome.err().map(|error| types::error::chain(&error)));
        };
        note(match self.inner.services.snapshots.remove(&snapshot_key(&record.id)) {
            // A removal that failed half-way is tried again: what is gone already is no failure.
            Ok(()) | Err(SnapshotError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        });
        note(self.release_host_mounts(&record.id));
        note(self.discard_data_dir(&record.id));
        watch.lap("removal: directories");
        note(self.inner.services.volumes.release(&record.id).map_err(Into::into));
        if with_volumes {
            note(self.remove_anonymous_volumes(&record));
        }
        if !failures.is_empty() {
            return Err(ContainerError::Removal { id: record.id.to_string(), failures });
        }
        let forgotten = self.forget(container);
        watch.lap("removal: rows");
        forgotten
    }

    /// Takes a container's directory away; its logs may be large, so nobody waits for the disk.
    fn discard_data_dir(&self, id: &ContainerId) -> Result<(), ContainerError> {
        let path = self.data_dir(id);
        let discarded = self.inner.trash.put(&path);
        discarded
            .map_err(|source| ContainerError::File { action: "remove", path, source })?
            .delete();
        Ok(())
    }

    /// Waits until the space of what was removed is free.
    async fn settle(&self) -> Result<(), ContainerError> {
        let service = self.clone();
        let settle = move || {
            service.inner.services.snapshots.settle();
            service.inner.services.volumes.settle();
            service.inner.trash.settle();
        };
        tokio::task::spawn_blocking(settle)
            .await
            .map_err(|error| ContainerError::Shim(error.to_string()))
    }

    /// Removes every container that does not run and for which `is_wanted` holds; returns ids and
    /// the bytes that became free.
    ///
    /// # Errors
    /// The first failure.
    pub async fn prune(
        &self,
        is_wanted: impl Fn(&Container) -> bool,
    ) -> Result<(Vec<String>, u64), ContainerError> {
        let (mut removed, mut bytes) = (Vec::new(), 0);
        for container in self.all() {
            if !is_wanted(&container) {
                continue;
            }
            let _operation = container.lock().await;
            if !matches!(container.state().phase, Phase::Created | Phase::Exited | Phase::Dead) {
                continue;
            }
            let key = snapshot_key(&container.id);
            let size = self.inner.services.snapshots.usage(&key).map_or(0, |u| u.size_bytes);
            self.remove_locked(&container, false).await?;
            removed.push(container.id.to_string());
            bytes += size;
        }
        self.settle().await?;
        let attributes = BTreeMap::from([("reclaimed".to_owned(), bytes.to_string())]);
        self.events().publish("container", "prune", "", attributes);
        Ok((removed, bytes))
    }
}
