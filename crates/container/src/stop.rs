//! Stop, kill, restart, pause.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    ContainerError, Containers,
    container::Container,
    signal,
    start::StartCause,
    start_failure::shim_error,
    state::{Phase, Transition},
};

/// How long init has between the stop signal and SIGKILL unless somebody says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long the kernel may take to end a process that got SIGKILL.
const KILL_DEADLINE: Duration = Duration::from_secs(20);

/// How to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// `None`: the container's own.
    pub signal: Option<i32>,
    /// Seconds until SIGKILL; negative: never; `None`: the container's own.
    pub timeout_seconds: Option<i64>,
}

impl Containers {
    /// Stops a container: its stop signal, then SIGKILL.
    ///
    /// # Errors
    /// [`ContainerError::NotModified`] when it does not run.
    pub async fn stop(&self, reference: &str, options: StopOptions) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let _operation = container.lock().await;
        self.stop_locked(&container, options).await
    }

    pub(crate) async fn stop_locked(
        &self,
        container: &Arc<Container>,
        options: StopOptions,
    ) -> Result<(), ContainerError> {
        match container.state().phase {
            Phase::Running | Phase::Paused => {}
            Phase::Restarting => {
                self.cancel_restart(container)?;
                self.publish(container, "stop", BTreeMap::new());
                return Ok(());
            }
            _ => return Err(ContainerError::NotModified),
        }
        self.note_stop(container)?;
        self.end_init(container, options).await?;
        self.end_restarts(container)?;
        self.publish(container, "stop", BTreeMap::new());
        Ok(())
    }

    /// Ends what the restart policy wants, for a container that waits for its restart.
    fn cancel_restart(&self, container: &Arc<Container>) -> Result<(), ContainerError> {
        self.change_state(container, |state| {
            state.is_manually_stopped = true;
            Ok(state.apply(Transition::RestartCancelled)?)
        })?;
        container.announce(false);
        Ok(())
    }

    /// An end that came a moment before the stop was decided on without knowing of it.
    fn end_restarts(&self, container: &Arc<Container>) -> Result<(), ContainerError> {
        let is_stopping = self.inner.is_stopping.load(Ordering::SeqCst);
        if container.state().phase == Phase::Restarting && !is_stopping {
            self.cancel_restart(container)?;
        }
        Ok(())
    }

    /// Ends what the restart policy wants, unless it is the engine that stops: then the policy
    /// holds at its next start.
    pub(crate) fn note_stop(&self, container: &Container) -> Result<(), ContainerError> {
        if self.inner.is_stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.change_state(container, |state| {
            state.is_manually_stopped = true;
            Ok(())
        })
    }

    /// Makes init end, one way or the other.
    pub(crate) async fn end_init(
        &self,
        container: &Arc<Container>,
        options: StopOptions,
    ) -> Result<(), ContainerError> {
        let config = container.record().config.clone();
        let number = match options.signal {
            Some(number) => number,
            None => signal::parse_or_default(&config.stop_signal)?,
        };
        let seconds = options.timeout_seconds.or(config.stop_timeout);
        let grace = match seconds {
            None => Some(DEFAULT_GRACE),
            Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
        };
        if container.state().phase == Phase::Paused {
            self.resume_locked(container).await?;
        }
        self.send(container, number).await?;
        if wait_for_exit(container, grace).await {
            return Ok(());
        }
        self.kill_init(container).await
    }

    /// SIGKILL, and the certainty that it worked.
    pub(crate) async fn kill_init(&self, container: &Arc<Container>) -> Result<(), ContainerError> {
        if container.state().phase == Phase::Paused {
            // A frozen process does not take even SIGKILL on cgroup v1.
            self.resume_locked(container).await?;
        }
        self.send(container, signal::KILL).await?;
        if wait_for_exit(container, Some(KILL_DEADLINE)).await {
            return Ok(());
        }
        Err(ContainerError::Deadline(format!(
            "container {} did not end within {} s of SIGKILL: a process hangs in the kernel",
            container.id,
            KILL_DEADLINE.as_secs()
        )))
    }

    /// Sends a signal to init. One that has just ended is no error.
    async fn send(&self, container: &Container, number: i32) -> Result<(), ContainerError> {
        let Some(shim) = container.shim() else { return Ok(()) };
        match shim.signal(None, number).await {
            Ok(()) => {
                self.publish_kill(container, number);
                Ok(())
            }
            Err(error) if !container.state().is_running() => {
                tracing::debug!(error = %types::error::chain(&error), "ended before the signal");
                Ok(())
            }
            Err(error) => match shim_error(error, "") {
                ContainerError::Conflict(_) | ContainerError::Shim(_) => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Sends a signal to a running container's init.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] when it does not run.
    pub async fn kill(&self, reference: &str, number: Option<i32>) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let number = number.unwrap_or(signal::KILL);
        let not_running =
            || ContainerError::Conflict(format!("container {} is not running", container.id));
        if container.state().phase == Phase::Restarting {
            let _operation = container.lock().await;
            if container.state().phase == Phase::Restarting {
                // There is no process to be told.
                return self.cancel_restart(&container);
            }
        }
        if !container.state().is_running() {
            return Err(not_running());
        }
        let stop_signal = signal::parse_or_default(&container.record().config.stop_signal)?;
        if number == signal::KILL || number == stop_signal {
            self.note_stop(&container)?;
        }
        if number == signal::KILL {
            // Without the lock: a stop that waits for init to end holds it, and this ends the wait.
            self.kill_init(&container).await?;
            self.end_restarts(&container)?;
        } else {
            let shim = container.shim().ok_or_else(not_running)?;
            shim.signal(None, number).await.map_err(|error| shim_error(error, ""))?;
            self.publish_kill(&container, number);
        }
        Ok(())
    }

    /// Every signal to init is an event, the ones of a stop and of a forced removal too.
    fn publish_kill(&self, container: &Container, number: i32) {
        let attributes = BTreeMap::from([("signal".to_owned(), number.to_string())]);
        self.publish(container, "kill", attributes);
    }

    /// Stops every container that runs, side by side, for an engine that takes them along.
    /// `timeout_seconds` bounds each stop; failures are logged.
    pub async fn stop_all(&self, timeout_seconds: i64) {
        self.inner.is_stopping.store(true, Ordering::SeqCst);
        let stops = self.all().into_iter().filter(|c| c.state().is_running()).map(|container| {
            let service = self.clone();
            async move {
                let options = StopOptions { signal: None, timeout_seconds: Some(timeout_seconds) };
                match service.stop(container.id.as_str(), options).await {
                    Ok(()) | Err(ContainerError::NotModified) => {}
                    Err(error) => {
                        tracing::error!(container.id = %container.id, error = %types::error::chain(&error), "cannot stop");
                    }
                }
            }
        });
        futures_util::future::join_all(stops).await;
    }

    /// Stops if need be, then starts.
    ///
    /// # Errors
    /// Those of stop and start.
    pub async fn restart(
        &self,
        reference: &str,
        options: StopOptions,
    ) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let _operation = container.lock().await;
        match self.stop_locked(&container, options).await {
            Ok(()) | Err(ContainerError::NotModified) => {}
            Err(error) => return Err(error),
        }
        self.start_locked(&container, StartCause::Caller).await?;
        self.publish(&container, "restart", BTreeMap::new());
        Ok(())
    }

    /// Freezes every process of a container.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`], [`ContainerError::Conflict`] when it is frozen already.
    pub async fn pause(&self, reference: &str) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let _operation = container.lock().await;
        match container.state().phase {
            Phase::Running => {}
            Phase::Paused => {
                return Err(ContainerError::Conflict(format!(
                    "container {} is already paused",
                    container.id
                )));
            }
            Phase::Restarting => {
                return Err(ContainerError::Conflict(format!(
                    "Container {} is restarting, wait until the container is running",
                    container.id
                )));
            }
            _ => return Err(ContainerError::NotRunning(container.id.to_string())),
        }
        let shim =
            container.shim().ok_or_else(|| ContainerError::NotRunning(container.id.to_string()))?;
        self.pause_health(&container).await;
        if let Err(error) = shim.pause().await {
            self.monitor_health(&container);
            return Err(shim_error(error, ""));
        }
        self.transition(&container, Transition::Paused)?;
        self.publish(&container, "pause", BTreeMap::new());
        Ok(())
    }

    /// Thaws a container.
    ///
    /// # Errors
    /// [`ContainerError::Conflict`] when it is not frozen.
    pub async fn unpause(&self, reference: &str) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let _operation = container.lock().await;
        if container.state().phase != Phase::Paused {
            return Err(ContainerError::Conflict(format!(
                "container {} is not paused",
                container.id
            )));
        }
        self.resume_locked(&container).await?;
        self.publish(&container, "unpause", BTreeMap::new());
        Ok(())
    }

    async fn resume_locked(&self, container: &Arc<Container>) -> Result<(), ContainerError> {
        let shim =
            container.shim().ok_or_else(|| ContainerError::NotRunning(container.id.to_string()))?;
        shim.resume().await.map_err(|error| shim_error(error, ""))?;
        self.transition(container, Transition::Resumed)?;
        self.monitor_health(container);
        Ok(())
    }
}

/// Waits until init has ended; without a deadline, for as long as it takes.
async fn wait_for_exit(container: &Container, deadline: Option<Duration>) -> bool {
    let mut watch = container.watch();
    let ended = watch.wait_for(|progress| {
        !matches!(progress.phase, Phase::Running | Phase::Paused) || progress.is_removed
    });
    match deadline {
        Some(deadline) => tokio::time::timeout(deadline, ended).await.is_ok(),
        None => ended.await.is_ok(),
    }
}
