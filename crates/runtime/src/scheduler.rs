//! CPU scheduling of a process (`process.scheduler`).

use serde::Deserialize;
use sys::process::Scheduling;

use crate::error::RuntimeError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    policy: String,
    #[serde(default)]
    nice: i32,
    #[serde(default)]
    priority: u32,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    runtime: u64,
    #[serde(default)]
    deadline: u64,
    #[serde(default)]
    period: u64,
}

/// Reads the document.
pub(crate) fn parse(value: &serde_json::Value) -> Result<Scheduling, RuntimeError> {
    let document = Document::deserialize(value)
        .map_err(|_| RuntimeError::field("process.scheduler", value, "is not a scheduler"))?;
    let policy = match document.policy.as_str() {
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        other => {
            return Err(RuntimeError::field("process.scheduler.policy", other, "unknown policy"));
        }
    };
    let mut flags = 0;
    for name in &document.flags {
        flags |= match name.as_str() {
            "SCHED_FLAG_RESET_ON_FORK" => 0x01,
            "SCHED_FLAG_RECLAIM" => 0x02,
            "SCHED_FLAG_DL_OVERRUN" => 0x04,
            "SCHED_FLAG_KEEP_POLICY" => 0x08,
            "SCHED_FLAG_KEEP_PARAMS" => 0x10,
            "SCHED_FLAG_UTIL_CLAMP_MIN" => 0x20,
            "SCHED_FLAG_UTIL_CLAMP_MAX" => 0x40,
            other => {
                return Err(RuntimeError::field("process.scheduler.flags", other, "unknown flag"));
            }
        };
    }
    let mut scheduling = Scheduling::default();
    scheduling.policy = policy;
    scheduling.flags = flags;
    scheduling.nice = document.nice;
    scheduling.priority = document.priority;
    scheduling.runtime = document.runtime;
    scheduling.deadline = document.deadline;
    scheduling.period = document.period;
    Ok(scheduling)
}
