//! When an ended container is started again, and how long to wait before.

use std::time::Duration;

use engine_api::host_config::RestartPolicy;

use crate::{ContainerError, state::State};

/// The first wait; doubled at every further restart.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest wait.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// A run this long starts the count anew.
const SETTLED: Duration = Duration::from_secs(10);

/// A checked policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Never.
    No,
    /// Whenever it ends, and at the engine's start.
    Always,
    /// As `Always`, unless a caller stopped it.
    UnlessStopped,
    /// When it ends with an error, at most so often (0: no bound).
    OnFailure {
        /// Bound.
        max_retries: u32,
    },
    /// As `OnFailure`, and when its health checks say that it does not work.
    OnUnhealthy {
        /// Bound.
        max_retries: u32,
    },
}

impl Policy {
    /// Checks the API's document.
    ///
    /// # Errors
    /// [`ContainerError::Invalid`] with Docker's texts.
    pub fn parse(policy: &RestartPolicy, is_auto_remove: bool) -> Result<Self, ContainerError> {
        let invalid = |text: &str| Err(ContainerError::Invalid(text.to_owned()));
        let retries = policy.maximum_retry_count;
        let is_counted = matches!(policy.name.as_str(), "on-failure" | "on-unhealthy");
        if !is_counted && retries != 0 {
            return invalid(
                "invalid restart policy: maximum retry count can only be used with 'on-failure'",
            );
        }
        if retries < 0 {
            return invalid("invalid restart policy: maximum retry count cannot be negative");
        }
        let parsed = match policy.name.as_str() {
            "" | "no" => Self::No,
            "always" => Self::Always,
            "unless-stopped" => Self::UnlessStopped,
            "on-failure" => {
                Self::OnFailure { max_retries: u32::try_from(retries).unwrap_or(u32::MAX) }
            }
            "on-unhealthy" => {
                Self::OnUnhealthy { max_retries: u32::try_from(retries).unwrap_or(u32::MAX) }
            }
            other => {
                return Err(ContainerError::Invalid(format!(
                    "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
                )));
            }
        };
        if is_auto_remove && parsed != Self::No {
            return invalid("can't create 'AutoRemove' container with restart policy");
        }
        Ok(parsed)
    }

    /// Whether a container that has just ended is to be started again.
    #[must_use]
    pub fn wants_restart(self, state: &State) -> bool {
        if state.is_manually_stopped {
            return false;
        }
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure { .. } | Self::OnUnhealthy { .. } => {
                state.exit_code != 0 && self.has_retries(state)
            }
        }
    }

    /// Whether one more restart is within the policy's bound.
    #[must_use]
    pub fn has_retries(self, state: &State) -> bool {
        match self {
            Self::OnFailure { max_retries } | Self::OnUnhealthy { max_retries } => {
                max_retries == 0 || state.restart_count < max_retries
            }
            Self::No | Self::Always | Self::UnlessStopped => true,
        }
    }

    /// Whether a container that does not run is to be started with the engine.
    #[must_use]
    pub fn wants_start_at_boot(self, state: &State) -> bool {
        state.started_at_nanos.is_some()
            && match self {
                Self::No => false,
                Self::Always => true,
                Self::UnlessStopped => !state.is_manually_stopped,
                Self::OnFailure { .. } | Self::OnUnhealthy { .. } => self.wants_restart(state),
            }
    }
}

/// How long to wait before restart number `count` (from 1) of those that follow each other.
#[must_use]
pub fn delay(count: u32) -> Duration {
    let doublings = count.saturating_sub(1).min(16);
    FIRST_DELAY.saturating_mul(1 << doublings).min(MAX_DELAY)
}

/// Whether the last run was long enough to forget earlier failures.
#[must_use]
pub fn is_settled(started_at_nanos: i64, finished_at_nanos: i64) -> bool {
    u64::try_from(finished_at_nanos - started_at_nanos)
        .is_ok_and(|nanos| Duration::from_nanos(nanos) >= SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, retries: i64) -> Result<Policy, ContainerError> {
        let document = RestartPolicy { name: name.into(), maximum_retry_count: retries };
        Policy::parse(&document, false)
    }

    #[test]
    fn parsing() {
        assert_eq!(policy("", 0).unwrap(), Policy::No);
        assert_eq!(policy("on-failure", 3).unwrap(), Policy::OnFailure { max_retries: 3 });
        assert_eq!(policy("on-unhealthy", 2).unwrap(), Policy::OnUnhealthy { max_retries: 2 });
        assert!(policy("always", 3).is_err());
        assert!(policy("on-failure", -1).is_err());
        assert!(policy("nosuch", 0).is_err());
    }

    #[test]
    fn on_failure_counts() {
        let policy = Policy::OnFailure { max_retries: 2 };
        let state =
            |exit_code, restart_count| State { exit_code, restart_count, ..State::default() };
        assert!(policy.wants_restart(&state(1, 1)));
        assert!(!policy.wants_restart(&state(1, 2)));
        assert!(!policy.wants_restart(&state(0, 0)));
    }

    #[test]
    fn a_stop_by_hand_is_respected() {
        let stopped =
            State { is_manually_stopped: true, started_at_nanos: Some(1), ..State::default() };
        assert!(!Policy::Always.wants_restart(&stopped));
        assert!(Policy::Always.wants_start_at_boot(&stopped));
        assert!(!Policy::UnlessStopped.wants_start_at_boot(&stopped));
    }

    #[test]
    fn delays_double_up_to_a_minute() {
        assert_eq!(delay(1), Duration::from_millis(100));
        assert_eq!(delay(4), Duration::from_millis(800));
        assert_eq!(delay(10), Duration::from_millis(51_200));
        assert_eq!(delay(40), MAX_DELAY);
    }
}
