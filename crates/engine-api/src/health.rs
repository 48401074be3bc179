//! Health checks: their configuration and their results.

use crate::null::unset;

document! {
    /// How to find out whether a container works. Durations are in nanoseconds, zero inherits.
    pub struct HealthConfig {
        /// `[]` inherit, `["NONE"]` off, `["CMD", ..]`, `["CMD-SHELL", text]`.
        pub test: Vec<String> = "Test" unless "unset",
        /// Between two checks.
        pub interval: i64 = "Interval" unless "unset",
        /// For one check.
        pub timeout: i64 = "Timeout" unless "unset",
        /// At the start, while failures do not count.
        pub start_period: i64 = "StartPeriod" unless "unset",
        /// Between two checks of the start period.
        pub start_interval: i64 = "StartInterval" unless "unset",
        /// Failures in a row until it is unhealthy.
        pub retries: i64 = "Retries" unless "unset",
    }

    /// The state of a container's health.
    pub struct Health {
        /// `none`, `starting`, `healthy` or `unhealthy`.
        pub status: String = "Status",
        /// Failures in a row.
        pub failing_streak: i64 = "FailingStreak",
        /// The last five results.
        pub log: Option<Vec<HealthcheckResult>> = "Log",
    }

    /// One check.
    pub struct HealthcheckResult {
        /// RFC 3339 with nanoseconds.
        #[serde(serialize_with = "crate::null::time")]
        pub start: String = "Start",
        /// RFC 3339 with nanoseconds.
        #[serde(serialize_with = "crate::null::time")]
        pub end: String = "End",
        /// 0 healthy, 1 unhealthy, other values: the check itself failed.
        pub exit_code: i64 = "ExitCode",
        /// What it printed, cut at 4096 bytes.
        pub output: String = "Output",
    }

    /// Health in a list of containers.
    pub struct HealthSummary {
        /// `none`, `starting`, `healthy` or `unhealthy`.
        pub status: String = "Status" unless "unset",
        /// Failures in a row.
        pub failing_streak: i64 = "FailingStreak",
    }
}
