//! What is known of a container's health.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Check;

/// How many results are kept.
const KEPT: usize = 5;

/// The word in `State.Health.Status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No success yet, and not too many failures.
    #[default]
    Starting,
    /// The last probes succeeded, or too few failed.
    Healthy,
    /// Too many failed, or none are made.
    Unhealthy,
}

impl Status {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How one probe went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// Nanoseconds since the Unix epoch.
    pub start_nanos: i64,
    /// Nanoseconds since the Unix epoch.
    pub end_nanos: i64,
    /// 0 is healthy; -1 is a probe that could not be made or took too long.
    pub exit_code: i32,
    /// What it said, bounded.
    pub output: String,
}

/// A container's health; part of its state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Now.
    pub status: Status,
    /// Failures in a row.
    pub failing_streak: u32,
    /// Whether a probe has succeeded since the start of init.
    #[serde(default)]
    pub was_healthy: bool,
    /// The last results, oldest first.
    pub log: VecDeque<ProbeResult>,
}

impl Health {
    /// At the start of init: what is logged stays.
    pub fn restart(&mut self) {
        self.status = Status::Starting;
        self.failing_streak = 0;
        self.was_healthy = false;
    }

    /// Notes a result of a container that was started at `started_nanos`.
    pub fn note(&mut self, result: ProbeResult, check: &Check, started_nanos: i64) {
        let is_success = result.exit_code == 0;
        let since_start = u64::try_from(result.start_nanos - started_nanos).unwrap_or_default();
        let is_early = self.status == Status::Starting
            && u128::from(since_start) < check.start_period.as_nanos();
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(result);
        if is_success {
            self.failing_streak = 0;
            self.was_healthy = true;
            self.status = Status::Healthy;
        } else if !is_early {
            self.failing_streak += 1;
            if self.failing_streak >= check.retries {
                self.status = Status::Unhealthy;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::Probe;

    fn check(retries: u32, start_period: Duration) -> Check {
        Check {
            probe: Probe::Exec(Vec::new()),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            start_period,
            start_interval: Duration::from_secs(1),
            retries,
        }
    }

    fn result(exit_code: i32, start_nanos: i64) -> ProbeResult {
        ProbeResult { start_nanos, end_nanos: start_nanos, exit_code, output: String::new() }
    }

    #[test]
    fn failures_in_a_row_make_it_unhealthy_and_one_success_heals() {
        let (mut health, check) = (Health::default(), check(2, Duration::ZERO));
        health.note(result(0, 1), &check, 0);
        assert_eq!(health.status, Status::Healthy);
        health.note(result(1, 2), &check, 0);
        assert_eq!((health.status, health.failing_streak), (Status::Healthy, 1));
        health.note(result(-1, 3), &check, 0);
        assert_eq!(health.status, Status::Unhealthy);
        health.note(result(0, 4), &check, 0);
        assert_eq!((health.status, health.failing_streak), (Status::Healthy, 0));
    }

    #[test]
    fn failures_of_the_start_period_count_only_after_a_success() {
        let (mut health, check) = (Health::default(), check(1, Duration::from_nanos(100)));
        health.note(result(1, 99), &check, 0);
        assert_eq!((health.status, health.failing_streak), (Status::Starting, 0));
        let mut late = health.clone();
        late.note(result(1, 100), &check, 0);
        assert_eq!(late.status, Status::Unhealthy);
        health.note(result(0, 20), &check, 0);
        health.note(result(1, 30), &check, 0);
        assert_eq!(health.status, Status::Unhealthy);
    }

    #[test]
    fn the_last_five_results_are_kept_over_a_restart() {
        let (mut health, check) = (Health::default(), check(3, Duration::ZERO));
        for start in 0..9 {
            health.note(result(1, start), &check, 0);
        }
        health.restart();
        let starts: Vec<_> = health.log.iter().map(|r| r.start_nanos).collect();
        assert_eq!(starts, [4, 5, 6, 7, 8]);
        assert_eq!((health.status, health.failing_streak), (Status::Starting, 0));
    }
}
