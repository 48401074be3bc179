//! What a container is doing: one enum, one transition function.
//!
//! ```text
//!            Started            Exited             RestartPending
//!  Created ──────────▶ Running ────────▶ Exited ──────────────────▶ Restarting
//!     │                 ▲   │ Paused        │ ▲                        │ Started │ RestartCancelled
//!     │          Resumed│   ▼               │ └────────────────────────┼─────────┘
//!     │                 Paused              │                          ▼
//!     └───────────────── RemovalBegun ──────┴──▶ Removing          Running
//! ```
//! `Removing` leads to the end of the container, or to `Dead` when its parts could not be removed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shim_protocol::ExitRecord;

use crate::health::{self, Health};

/// The phases that the API names in `State.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Never started.
    Created,
    /// Init runs.
    Running,
    /// Init is frozen.
    Paused,
    /// Init has ended and will be started again.
    Restarting,
    /// Init has ended, or could not be started.
    Exited,
    /// Being removed.
    Removing,
    /// Removal failed half-way; only another removal is possible.
    Dead,
}

impl Phase {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }
}

/// The last known actual state; persisted at every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// Init's pid while it runs, else 0.
    pub pid: i32,
    /// Of the last run; 0 before the first.
    pub exit_code: i32,
    /// Why the last start failed, or empty.
    pub error: String,
    /// Whether the OOM killer acted in the last run.
    pub oom_killed: bool,
    /// Nanoseconds since the Unix epoch; `None` before the first start.
    pub started_at_nanos: Option<i64>,
    /// Nanoseconds since the Unix epoch; `None` before the first exit.
    pub finished_at_nanos: Option<i64>,
    /// Restarts that the restart policy decided on since the last start by a caller.
    pub restart_count: u32,
    /// How many of them followed each other without a run that was long enough to trust it; the
    /// wait before a restart grows with it.
    #[serde(default)]
    pub backoff: u32,
    /// Why it was, or is about to be, started again; empty after a start by a caller.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub restart_reason: String,
    /// When it was restarted for its health: nanoseconds since the Unix epoch, oldest first, as
    /// far back as the budget looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_restarts: Vec<i64>,
    /// Whether a caller stopped it, which ends `unless-stopped` and `always` until a start.
    pub is_manually_stopped: bool,
    /// Whether the removal that has begun takes the anonymous volumes too.
    #[serde(default)]
    pub removes_volumes: bool,
    /// What its checks say, from the first start on; `None` without a check.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "shared_health")]
    pub health: Option<Arc<Health>>,
}

/// Shared, because states are copied for every look at them.
mod shared_health {
    use super::{Arc, Deserialize, Health, Serialize};

    pub fn serialize<S: serde::Serializer>(
        health: &Option<Arc<Health>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        health.as_deref().serialize(serializer)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Arc<Health>>, D::Error> {
        Ok(Option::<Health>::deserialize(deserializer)?.map(Arc::new))
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// Init was started by a caller or by the restart policy.
    Started {
        /// Init's pid.
        pid: i32,
        /// Nanoseconds since the Unix epoch.
        at_nanos: i64,
    },
    /// Init could not be started.
    StartFailed {
        /// 126, 127 or 128.
        exit_code: i32,
        /// For people.
        error: String,
    },
    /// Frozen.
    Paused,
    /// Thawed.
    Resumed,
    /// Init has ended.
    Exited(ExitRecord),
    /// The restart policy will start it again.
    RestartPending {
        /// For people.
        reason: String,
    },
    /// The restart policy gave up or was told to.
    RestartCancelled,
    /// Removal has begun.
    RemovalBegun,
    /// Removal failed.
    RemovalFailed {
        /// For people.
        error: String,
    },
}

/// A transition that the phase forbids; an internal error, since callers check first.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a container that is {} cannot take {transition:?}", phase.as_str())]
pub struct IllegalTransition {
    /// Where it is.
    pub phase: Phase,
    /// What was tried.
    pub transition: Box<Transition>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Created,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            oom_killed: false,
            started_at_nanos: None,
            finished_at_nanos: None,
            restart_count: 0,
            backoff: 0,
            restart_reason: String::new(),
            health_restarts: Vec::new(),
            is_manually_stopped: false,
            removes_volumes: false,
            health: None,
        }
    }
}

impl State {
    /// Whether init exists, frozen or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// At a start that no policy decided on: nothing is held against it.
    pub fn forget_restarts(&mut self) {
        self.restart_count = 0;
        self.backoff = 0;
        self.restart_reason.clear();
        self.health_restarts.clear();
    }

    /// The only place that changes a phase.
    ///
    /// # Errors
    /// [`IllegalTransition`], and then nothing has changed.
    pub fn apply(&mut self, transition: Transition) -> Result<(), IllegalTransition> {
        use Phase::{Created, Dead, Exited, Paused, Removing, Restarting, Running};
        let next = match (self.phase, &transition) {
            (Created | Exited | Restarting, Transition::Started { .. }) => Running,
            // A container that never ran stays `created` after a failed start, as Docker has it.
            (Created, Transition::StartFailed { .. }) => Created,
            (Exited | Restarting, Transition::StartFailed { .. }) => Exited,
            (Running, Transition::Paused) => Paused,
            (Paused, Transition::Resumed) => Running,
            (Running | Paused, Transition::Exited(_)) => Exited,
            (Exited | Created, Transition::RestartPending { .. }) => Restarting,
            (Restarting, Transition::RestartCancelled) => Exited,
            (Created | Exited | Restarting | Removing | Dead, Transition::RemovalBegun) => Removing,
            (Removing, Transition::RemovalFailed { .. }) => Dead,
            (phase, _) => {
                return Err(IllegalTransition { phase, transition: Box::new(transition) });
            }
        };
        self.phase = next;
        self.note(transition);
        Ok(())
    }

    /// Whose checks are not made is not healthy, as Docker's clients know it.
    fn suspend_health(&mut self) {
        if let Some(health) = &mut self.health {
            Arc::make_mut(health).status = health::Status::Unhealthy;
        }
    }

    fn note(&mut self, transition: Transition) {
        match transition {
            Transition::Started { pid, at_nanos } => {
                self.pid = pid;
                self.started_at_nanos = Some(at_nanos);
                self.exit_code = 0;
                self.error.clear();
                self.oom_killed = false;
                self.is_manually_stopped = false;
            }
            Transition::StartFailed { exit_code, error } => {
                self.exit_code = exit_code;
                self.error = error;
            }
            Transition::Exited(record) => {
                self.suspend_health();
                self.pid = 0;
                self.exit_code = record.exit_code;
                self.oom_killed = record.oom_killed;
                self.finished_at_nanos = Some(record.finished_at_nanos);
            }
            Transition::RestartPending { reason } => {
                self.restart_count = self.restart_count.saturating_add(1);
                self.backoff = self.backoff.saturating_add(1);
                self.restart_reason = reason;
            }
            Transition::RemovalFailed { error } => self.error = error,
            Transition::Paused => self.suspend_health(),
            Transition::Resumed | Transition::RestartCancelled | Transition::RemovalBegun => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(exit_code: i32) -> Transition {
        Transition::Exited(ExitRecord {
            exit_code,
            oom_killed: false,
            started_at_nanos: 1,
            finished_at_nanos: 2,
        })
    }

    #[test]
    fn a_life() {
        let mut state = State::default();
        state.apply(Transition::Started { pid: 7, at_nanos: 1 }).unwrap();
        assert!(state.is_running());
        state.apply(Transition::Paused).unwrap();
        state.apply(Transition::Resumed).unwrap();
        state.apply(exit(3)).unwrap();
        assert_eq!((state.phase, state.pid, state.exit_code), (Phase::Exited, 0, 3));
        state.apply(Transition::RestartPending { reason: "exit code 3".into() }).unwrap();
        assert_eq!((state.restart_count, state.restart_reason.as_str()), (1, "exit code 3"));
        state.apply(Transition::Started { pid: 8, at_nanos: 3 }).unwrap();
        assert_eq!(state.exit_code, 0);
    }

    #[test]
    fn a_refused_transition_changes_nothing() {
        let mut state = State::default();
        let before = state.clone();
        assert!(state.apply(exit(1)).is_err());
        assert!(state.apply(Transition::Paused).is_err());
        assert_eq!(state, before);
        state.apply(Transition::Started { pid: 7, at_nanos: 1 }).unwrap();
        assert!(state.apply(Transition::RemovalBegun).is_err());
    }

    #[test]
    fn health_is_written_down_and_is_bad_while_no_checks_are_made() {
        let mut state = State::default();
        state.apply(Transition::Started { pid: 7, at_nanos: 1 }).unwrap();
        let health = Health { status: health::Status::Healthy, ..Health::default() };
        state.health = Some(Arc::new(health));
        let read: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(read, state);
        state.apply(Transition::Paused).unwrap();
        assert_eq!(state.health.unwrap().status, health::Status::Unhealthy);
        let text = serde_json::to_string(&State::default()).unwrap();
        assert!(!text.contains("health"), "{text}");
    }

    #[test]
    fn a_failed_first_start_stays_created() {
        let mut state = State::default();
        let failed = Transition::StartFailed { exit_code: 127, error: "no".into() };
        state.apply(failed).unwrap();
        assert_eq!((state.phase, state.exit_code), (Phase::Created, 127));
    }
}
