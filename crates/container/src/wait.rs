//! Waiting for a container's end.

use std::{future::Future, sync::Arc};

use tokio::sync::watch;

use crate::{ContainerError, Containers, container::Progress, state::Phase};

/// What is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// That it does not run; holds at once when it does not, and at each end of a container that
    /// its policy restarts.
    #[default]
    NotRunning,
    /// Its next end.
    NextExit,
    /// Its removal.
    Removed,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    /// Of the last run.
    pub exit_code: i32,
    /// Why the container never ran or could not be removed, or empty.
    pub error: String,
}

impl Containers {
    /// Begins to wait: what happens after this call returns is not missed.
    ///
    /// # Errors
    /// [`ContainerError::NotFound`].
    pub fn wait(
        &self,
        reference: &str,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = Waited> + Send + use<>, ContainerError> {
        let container = self.find(reference)?;
        let mut watch: watch::Receiver<Progress> = container.watch();
        let exits = watch.borrow().exits;
        let container = Arc::clone(&container);
        Ok(async move {
            let is_reached = |progress: &Progress| match condition {
                _ if progress.is_removed => true,
                // An end is an end, even if a restart policy makes it a short one.
                WaitCondition::NotRunning => {
                    progress.exits > exits
                        || !matches!(
                            progress.phase,
                            Phase::Running | Phase::Paused | Phase::Restarting
                        )
                }
                WaitCondition::NextExit => progress.exits > exits,
                WaitCondition::Removed => progress.phase == Phase::Dead,
            };
            // The sender lives in the container, which is held here.
            let reached = watch.wait_for(is_reached).await.map(|progress| *progress).ok();
            let state = container.state();
            let error = if state.phase == Phase::Dead { state.error } else { String::new() };
            // The container may be running again by now.
            let ended = reached.filter(|progress| progress.exits > exits);
            Waited { exit_code: ended.map_or(state.exit_code, |p| p.last_exit_code), error }
        })
    }
}
