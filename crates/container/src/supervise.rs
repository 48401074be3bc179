//! What happens when init ends: one task per running container.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use shim_client::{Events, ShimEvent, read_exit_record};
use shim_protocol::ExitRecord;
use tokio::sync::oneshot;

use crate::{
    ContainerError, Containers,
    clock::now_nanos,
    container::Container,
    phase::Stopwatch,
    restart,
    state::{Phase, State, Transition},
};

/// Exit code of a container whose supervisor was killed: its init gets SIGKILL.
const KILLED: i32 = 137;
/// What the state says of such a container.
const SUPERVISOR_LOST: &str = "the supervisor of the container was killed";

/// The end of a run.
pub(crate) struct End {
    pub(crate) record: ExitRecord,
    /// What went wrong besides init's own end, or empty.
    pub(crate) error: &'static str,
}

impl From<ExitRecord> for End {
    fn from(record: ExitRecord) -> Self {
        Self { record, error: "" }
    }
}

impl Containers {
    /// Follows a running container until its init has ended, then does what its policy says.
    pub(crate) fn supervise(&self, container: &Arc<Container>, events: Events) {
        let (service, container) = (self.clone(), Arc::clone(container));
        // Ends with the container's run; the engine's own end may cut it off at any point, since
        // the next start of the engine reads the exit record.
        tokio::spawn(async move { service.follow(&container, events).await });
    }

    async fn follow(&self, container: &Arc<Container>, mut events: Events) {
        let mut has_reported_oom = false;
        while let Some(event) = events.recv().await {
            match event {
                ShimEvent::ExecExited { id, exit_code } => {
                    self.finish_exec(container, &id, exit_code)
                }
                ShimEvent::OutOfMemory => {
                    has_reported_oom = true;
                    self.publish(container, "oom", BTreeMap::new());
                }
                ShimEvent::Exited(record) => {
                    if record.oom_killed && !has_reported_oom {
                        self.publish(container, "oom", BTreeMap::new());
                    }
                    return self.finish(container, record.into(), Some(events)).await;
                }
                ShimEvent::Lost => {
                    let end = self.end_of_lost(container);
                    return self.finish(container, end, None).await;
                }
            }
        }
    }

    fn finish_exec(&self, container: &Container, id: &types::ExecId, exit_code: i32) {
        let exec = container.live().execs.get(id).cloned();
        if let Some(exec) = exec {
            exec.finish(exit_code);
            let attributes = BTreeMap::from([
                ("execID".to_owned(), id.to_string()),
                ("exitCode".to_owned(), exit_code.to_string()),
            ]);
            self.publish(container, "exec_die", attributes);
        }
    }

    /// The supervisor died: its record if it wrote one, else what the kernel does to init then.
    pub(crate) fn end_of_lost(&self, container: &Container) -> End {
        match read_exit_record(&self.shim_dir(&container.id)) {
            Ok(Some(record)) => return record.into(),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(container.id = %container.id, error = %types::error::chain(&error), "exit record is damaged");
            }
        }
        tracing::error!(container.id = %container.id, "the supervisor ended before its container");
        self.kill_cgroup(container);
        let record = ExitRecord {
            exit_code: KILLED,
            oom_killed: false,
            started_at_nanos: container.state().started_at_nanos.unwrap_or_default(),
            finished_at_nanos: now_nanos(),
        };
        End { record, error: SUPERVISOR_LOST }
    }

    /// Kills whatever is left in a container's cgroup and removes it.
    pub(crate) fn kill_cgroup(&self, container: &Container) {
        let path = self.cgroup_path(&container.record());
        let outcome = runtime::cgroup::Cgroup::open(&path).and_then(|cgroup| {
            cgroup.kill()?;
            cgroup.delete()
        });
        if let Err(error) = outcome {
            tracing::warn!(container.id = %container.id, error = %types::error::chain(&error), "cannot clear the cgroup");
        }
    }

    /// Commits the end of a run. What the container held is free before anybody hears of its end:
    /// its ports, its cgroup, its supervisor's directory. Its mounts may still be there, since
    /// their end may flush a file system: `events` tell when they are gone.
    pub(crate) async fn finish(
        &self,
        container: &Arc<Container>,
        end: End,
        events: Option<Events>,
    ) {
        let record = &end.record;
        let mut watch = Stopwatch::start(&container.id);
        if let Err(error) = self.disconnect(&container.id).await {
            tracing::warn!(container.id = %container.id, error = %types::error::chain(&error), "cannot disconnect");
        }
        if let Err(error) = self.release_host_mounts(&container.id) {
            tracing::warn!(container.id = %container.id, error = %types::error::chain(&error), "cannot release its mounts");
        }
        watch.lap("end: network");
        let shim = {
            let mut live = container.live();
            live.endpoint = None;
            // A probe under way dies with init.
            live.monitor = None;
            for exec in live.execs.values().filter(|exec| exec.state().is_running) {
                exec.finish(record.exit_code);
            }
            live.shim.take()
        };
        if let Some(shim) = shim {
            // The answer does not matter: a shim that is gone needs no release.
            let _ = shim.release().await;
        }
        watch.lap("end: supervisor (cgroups)");
        if let Some(events) = events {
            container.live().departing = Some(departure(events));
        }
        let (exit_code, finished) = (record.exit_code, record.finished_at_nanos);
        let started = container.state().started_at_nanos.unwrap_or(finished);
        if let Err(error) = self.end_run(container, &end) {
            tracing::error!(container.id = %container.id, error = %types::error::chain(&error), "cannot note an exit");
            // A full disk must not keep anybody waiting: memory tells the truth, and the row
            // follows with the next change that can be written.
            let noted = container.live().state.apply(Transition::Exited(end.record));
            tracing::debug!(?noted, "noted in memory only");
        }
        watch.lap("end: row");
        self.publish_departure(container);
        let seconds = (finished - started).max(0) / 1_000_000_000;
        let attributes = BTreeMap::from([
            ("exitCode".to_owned(), exit_code.to_string()),
            ("execDuration".to_owned(), seconds.to_string()),
        ]);
        self.publish(container, "die", attributes);
        container.announce(true);
        self.after_exit(container).await;
    }

    /// The exit, and at once the decision to restart, so that no one sees a gap between.
    fn end_run(&self, container: &Container, end: &End) -> Result<(), ContainerError> {
        let record = &end.record;
        let policy = self.policy(container);
        let planned = container.live().planned_restart.take();
        let started = container.state().started_at_nanos.unwrap_or_default();
        let is_trusted = restart::is_settled(started, record.finished_at_nanos)
            && (planned.is_none() || container.state().was_healthy());
        let is_stopping = self.inner.is_stopping.load(Ordering::SeqCst);
        let apply = |state: &mut State| {
            state.apply(Transition::Exited(record.clone()))?;
            end.error.clone_into(&mut state.error);
            if is_trusted {
                state.backoff = 0;
            }
            let reason = planned.clone().filter(|_| !state.is_manually_stopped).or_else(|| {
                policy.wants_restart(state).then(|| format!("exit code {}", record.exit_code))
            });
            if let Some(reason) = reason.filter(|_| !is_stopping) {
                state.apply(Transition::RestartPending { reason })?;
            }
            Ok(())
        };
        // The row first, then the exit record, then memory: a crash in between finds one of the
        // first two, and a start that sees the new state finds the directory gone.
        let mut state = container.state();
        apply(&mut state)?;
        self.persist_state(&container.id, &state)?;
        crate::create::remove_dir(&self.shim_dir(&container.id))?;
        self.change_state(container, apply)
    }

    async fn after_exit(&self, container: &Arc<Container>) {
        if container.state().phase == Phase::Restarting {
            self.restart_after_backoff(container);
            return;
        }
        if container.record().host_config.auto_remove {
            let outcome = self.auto_remove(container).await;
            if let Err(error) = outcome {
                tracing::error!(container.id = %container.id, error = %types::error::chain(&error), "cannot remove an ended container");
            }
        }
    }
}

/// Resolves when the supervisor has ended, which is after its container's mounts have.
fn departure(mut events: Events) -> oneshot::Receiver<()> {
    let (gone, departing) = oneshot::channel();
    // Ends with the supervisor, whose connection is the last thing it lets go.
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if matches!(event, ShimEvent::Lost) {
                break;
            }
        }
        // Nobody need be waiting.
        let _ = gone.send(());
    });
    departing
}
