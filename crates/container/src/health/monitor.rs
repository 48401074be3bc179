//! The task that probes one container while it runs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::JoinHandle,
};

use super::{
    Check, Health, Probe, ProbeResult, Status, exec_probe, go_duration, grpc_probe, http_probe,
    socket,
};
use crate::{
    ContainerError, Containers,
    clock::now_nanos,
    container::Container,
    state::{Phase, State},
};

/// A running monitor. Dropping it ends it, with the probe that is under way.
pub struct Monitor {
    // Dropped to stop.
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl State {
    /// Forgets failures at the start of init; without a check there is no health.
    pub(crate) fn restart_health(&mut self, check: Option<&Check>) {
        self.health = check.map(|_| {
            let mut health = self.health.take().unwrap_or_default();
            Arc::make_mut(&mut health).restart();
            health
        });
    }
}

impl Containers {
    /// The container's check. A configuration that cannot be read was refused at creation.
    pub(crate) fn check(&self, container: &Container) -> Option<Check> {
        Check::parse(&container.record().config).unwrap_or_default()
    }

    /// Begins to probe a container that runs, if it has a check and nobody does yet.
    pub(crate) fn monitor_health(&self, container: &Arc<Container>) {
        let Some(check) = self.check(container) else { return };
        let (stop, stopped) = oneshot::channel();
        let mut live = container.live();
        if live.state.phase != Phase::Running || live.monitor.is_some() {
            return;
        }
        live.state.health.get_or_insert_default();
        let probing = Probing { service: self.clone(), container: Arc::clone(container), check };
        // Owned by the container: ends when its `monitor` is dropped.
        let task = tokio::spawn(probing.run(stopped));
        live.monitor = Some(Monitor { _stop: stop, task });
    }

    /// Ends the probing and waits until the probe under way is gone: a frozen container must not
    /// hold one.
    pub(crate) async fn pause_health(&self, container: &Container) {
        let monitor = container.live().monitor.take();
        if let Some(Monitor { _stop, task }) = monitor {
            drop(_stop);
            if let Err(error) = task.await {
                tracing::error!(container.id = %container.id, %error, "a health monitor failed");
            }
        }
    }
}

struct Probing {
    service: Containers,
    container: Arc<Container>,
    check: Check,
}

impl Probing {
    async fn run(self, mut stop: oneshot::Receiver<()>) {
        let began = self.age();
        let clock = Instant::now();
        loop {
            let interval = self.interval(began + clock.elapsed());
            tokio::select! {
                _ = &mut stop => return,
                () = tokio::time::sleep(interval) => {}
            }
            let Some(result) = self.probe(&mut stop).await else { return };
            if !self.note(result, &mut stop) {
                return;
            }
        }
    }

    /// How long init has run.
    fn age(&self) -> Duration {
        let started = self.container.state().started_at_nanos.unwrap_or_else(now_nanos);
        Duration::from_nanos(u64::try_from(now_nanos() - started).unwrap_or_default())
    }

    fn interval(&self, age: Duration) -> Duration {
        let is_starting = || {
            let health = self.container.live().state.health.clone();
            health.is_none_or(|health| health.status == Status::Starting)
        };
        if age < self.check.start_period && is_starting() {
            self.check.start_interval
        } else {
            self.check.interval
        }
    }

    /// One probe; none when it was stopped.
    async fn probe(&self, stop: &mut oneshot::Receiver<()>) -> Option<ProbeResult> {
        let start_nanos = now_nanos();
        let outcome = match &self.check.probe {
            Probe::Exec(command) => {
                let wanted = (&self.check, command.as_slice());
                exec_probe::run(&self.service, &self.container, wanted, stop).await?
            }
            other => {
                tokio::select! {
                    outcome = self.connect(other) => outcome,
                    _ = &mut *stop => return None,
                }
            }
        };
        let (exit_code, output) = outcome.unwrap_or_else(|error| {
            tracing::warn!(container.id = %self.container.id, error = %types::error::chain(&error), "a health check could not be made");
            (-1, types::error::chain(&error))
        });
        Some(ProbeResult { start_nanos, end_nanos: now_nanos(), exit_code, output })
    }

    /// A probe that is a connection of the engine's.
    async fn connect(&self, probe: &Probe) -> Result<(i32, String), ContainerError> {
        let container = &self.container;
        let asked = async {
            match probe {
                Probe::Http(target) => http_probe::run(container, target).await,
                Probe::Grpc(target) => grpc_probe::run(container, target).await,
                Probe::Tcp(address) => socket::connect(container, *address)
                    .await
                    .map(|_| (0, format!("connected to {address}"))),
                Probe::Exec(_) => unreachable!("commands are run, not connected to"),
            }
        };
        match tokio::time::timeout(self.check.timeout, asked).await {
            // A refused connection is what the probe is there to find, not a failure to make it.
            Ok(Err(error @ ContainerError::Probe { .. })) => Ok((1, types::error::chain(&error))),
            Ok(outcome) => outcome,
            Err(_) => {
                let timeout = go_duration(self.check.timeout);
                Ok((-1, format!("Health check exceeded timeout ({timeout})")))
            }
        }
    }

    /// Notes a result unless the monitor was stopped meanwhile; whether to go on.
    fn note(&self, result: ProbeResult, stop: &mut oneshot::Receiver<()>) -> bool {
        let has_failed = result.exit_code != 0;
        let (before, after) = {
            let mut live = self.container.live();
            // Under the lock under which a monitor is taken away.
            if !matches!(stop.try_recv(), Err(TryRecvError::Empty)) {
                return false;
            }
            let started = live.state.started_at_nanos.unwrap_or_default();
            let health: &mut Health = Arc::make_mut(live.state.health.get_or_insert_default());
            let before = health.status;
            health.note(result, &self.check, started);
            (before, health.status)
        };
        if before != after {
            self.announce(after);
        }
        if has_failed && after == Status::Unhealthy && self.is_over_its_retries() {
            self.service.react(&self.container);
        }
        true
    }

    /// A container that was thawed is unhealthy before any probe has said so.
    fn is_over_its_retries(&self) -> bool {
        let health = self.container.live().state.health.clone();
        health.is_some_and(|health| health.failing_streak >= self.check.retries)
    }

    fn announce(&self, status: Status) {
        // The row follows the status only: results go with the next write of the state.
        if let Err(error) = self.service.change_state(&self.container, |_| Ok(())) {
            tracing::warn!(container.id = %self.container.id, error = %types::error::chain(&error), "cannot write the health down");
        }
        self.container.announce(false);
        let action = format!("health_status: {}", status.as_str());
        self.service.publish_plain(&self.container, &action);
    }
}
