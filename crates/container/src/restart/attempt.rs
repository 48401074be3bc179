//! Starting a container again after a wait.

use std::{sync::Arc, time::Duration};

use super::{Policy, delay};
use crate::{
    Containers,
    container::Container,
    start::StartCause,
    state::{Phase, State},
};

impl Containers {
    /// The policy of a container. One that cannot be read was refused at creation.
    pub(crate) fn policy(&self, container: &Container) -> Policy {
        let host = &container.record().host_config;
        Policy::parse(&host.restart_policy, host.auto_remove).unwrap_or(Policy::No)
    }

    /// Starts a container that is `restarting` after its wait.
    pub(crate) fn restart_after_backoff(&self, container: &Arc<Container>) {
        let state = container.state();
        if state.phase == Phase::Restarting {
            self.restart_later(container, delay(state.backoff));
        }
    }

    /// Starts a container again after a wait, unless a caller decided otherwise meanwhile.
    pub(crate) fn restart_later(&self, container: &Arc<Container>, delay: Duration) {
        let (service, container) = (self.clone(), Arc::clone(container));
        let attempt = container.state();
        // Ends with the attempt, or as soon as the container is not waiting for it any more.
        tokio::spawn(async move {
            let mut watch = container.watch();
            let has_changed = watch.wait_for(|p| p.phase != Phase::Restarting || p.is_removed);
            if tokio::time::timeout(delay, has_changed).await.is_err() {
                service.attempt_restart(&container, &attempt).await;
            }
        });
    }

    /// One attempt, if the container still waits for this one.
    pub(crate) async fn attempt_restart(&self, container: &Arc<Container>, planned: &State) {
        let _operation = container.lock().await;
        let now = container.state();
        let is_planned = now.phase == Phase::Restarting
            && now.finished_at_nanos == planned.finished_at_nanos
            && now.restart_count == planned.restart_count;
        if !is_planned || container.watch().borrow().is_removed {
            return;
        }
        // The failure is in the container's state, where Docker's clients look for it.
        if let Err(error) = self.start_locked(container, StartCause::Policy).await {
            tracing::warn!(container.id = %container.id, error = %types::error::chain(&error), "restart failed");
            self.restart_after_backoff(container);
        }
    }
}
