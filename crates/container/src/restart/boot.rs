//! The engine's start: which containers are started, and in which order.
//!
//! Each waits for what it needs, and no longer than a deadline: a dependency that never comes (or
//! needs the container in turn) delays it, but does not keep it from trying. What then fails is
//! tried again.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::dependency::{Condition, Dependency};
use crate::{
    Containers,
    clock::now_nanos,
    container::{Container, Progress},
    health::{Check, Status},
    state::{Phase, Transition},
};

/// How many containers are being started at a time.
const AT_A_TIME: usize = 8;
/// How long a container waits for another to run.
const RUNNING_DEADLINE: Duration = Duration::from_secs(30);
/// The longest wait for another to be healthy, or to end.
const LONGEST_DEADLINE: Duration = Duration::from_secs(600);

/// One container to wait for.
struct Need {
    container: Arc<Container>,
    condition: Condition,
    deadline: Duration,
}

impl Containers {
    /// Starts what a restart policy wants to run. After [`Containers::reconcile`].
    pub fn start_at_boot(&self) {
        let all = self.all();
        let wanted: Vec<_> =
            all.iter().filter(|container| self.plan_boot(container)).cloned().collect();
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        for container in wanted {
            let needs = self.needs(&container, &all);
            let (service, turns) = (self.clone(), Arc::clone(&turns));
            // Ends with the first attempt; further ones have tasks of their own.
            tokio::spawn(async move {
                let planned = container.state();
                for need in needs {
                    need.wait(&container).await;
                }
                let _turn = turns.acquire().await;
                service.attempt_restart(&container, &planned).await;
            });
        }
    }

    /// Marks a container that is to be started; whether it is.
    fn plan_boot(&self, container: &Container) -> bool {
        let (policy, state) = (self.policy(container), container.state());
        let is_wanted = match state.phase {
            Phase::Restarting => true,
            Phase::Exited => policy.wants_start_at_boot(&state),
            _ => false,
        };
        if !is_wanted {
            return false;
        }
        let planned = self.change_state(container, |state| {
            // A new start of the engine is a new start of the count, as Docker has it.
            state.forget_restarts();
            if state.phase == Phase::Exited {
                state.apply(Transition::RestartPending { reason: "engine start".into() })?;
                state.restart_count = 0;
            }
            Ok(())
        });
        if let Err(error) = &planned {
            tracing::error!(container.id = %container.id, error = %types::error::chain(error), "cannot plan a start");
        }
        container.announce(false);
        planned.is_ok()
    }

    fn needs(&self, container: &Container, all: &[Arc<Container>]) -> Vec<Need> {
        let dependencies = Dependency::all(&container.record());
        let others = all.iter().filter(|other| other.id != container.id);
        let need = |other: &Arc<Container>| {
            let record = other.record();
            let dependency = dependencies.iter().find(|dependency| dependency.is_on(&record))?;
            Some(Need {
                container: Arc::clone(other),
                condition: dependency.condition,
                deadline: deadline(dependency.condition, self.check(other).as_ref()),
            })
        };
        others.filter_map(need).collect()
    }
}

/// How long it may take until a container is known to be unhealthy.
fn deadline(condition: Condition, check: Option<&Check>) -> Duration {
    match (condition, check) {
        (Condition::Running, _) | (Condition::Healthy, None) => RUNNING_DEADLINE,
        (Condition::Completed, _) => LONGEST_DEADLINE,
        (Condition::Healthy, Some(check)) => {
            let probes = (check.interval + check.timeout).saturating_mul(check.retries);
            (RUNNING_DEADLINE + check.start_period + probes).min(LONGEST_DEADLINE)
        }
    }
}

impl Need {
    async fn wait(&self, waiting: &Container) {
        let began = now_nanos();
        let (mut watch, mut own) = (self.container.watch(), waiting.watch());
        let is_met = watch.wait_for(|progress| self.is_over(progress));
        let is_cancelled = own.wait_for(|progress| progress.phase != Phase::Restarting);
        let either = async {
            tokio::select! {
                _ = is_met => {}
                _ = is_cancelled => {}
            }
        };
        if tokio::time::timeout(self.deadline, either).await.is_err() {
            let waited_nanos = now_nanos() - began;
            tracing::warn!(container.id = %waiting.id, on = %self.container.id, condition = ?self.condition, waited_nanos, "starting without what it depends on");
        }
    }

    /// Whether waiting is over: the condition holds, or it will not come to hold.
    fn is_over(&self, progress: &Progress) -> bool {
        match (self.condition, progress.phase) {
            _ if progress.is_removed => true,
            (_, Phase::Restarting) => false,
            (Condition::Running, _) => true,
            (Condition::Healthy, Phase::Running) => {
                progress.health.is_none_or(|status| status == Status::Healthy)
            }
            (Condition::Completed, phase) => phase != Phase::Running,
            (Condition::Healthy, _) => true,
        }
    }
}
