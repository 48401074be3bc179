//! Resource limits of a process.

use oci::runtime::Rlimit;
use rustix::process::{Pid, Resource};

use crate::error::RuntimeError;

/// What needs the host's privileges and is applied by the creator.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) resources: Vec<Limit>,
    pub(crate) oom_score_adj: Option<i32>,
}

impl Limits {
    /// Sets the resource limits of `pid`, which must still have the creator's ids.
    pub(crate) fn apply(&self, pid: i32) -> Result<(), RuntimeError> {
        set_limits(Pid::from_raw(pid), &self.resources)
    }

    /// Sets `oom_score_adj` of `pid`.
    pub(crate) fn apply_oom_score(&self, pid: i32) -> Result<(), RuntimeError> {
        let Some(score) = self.oom_score_adj else { return Ok(()) };
        let path = format!("/proc/{pid}/oom_score_adj");
        std::fs::write(&path, score.to_string()).map_err(|e| RuntimeError::system("write", path, e))
    }
}

pub(crate) type Limit = (Resource, rustix::process::Rlimit);

pub(crate) fn set_limits(target: Option<Pid>, limits: &[Limit]) -> Result<(), RuntimeError> {
    for (resource, value) in limits {
        rustix::process::prlimit(target, *resource, *value).map_err(|e| {
            RuntimeError::system("error setting rlimit", format!("{resource:?}"), e)
        })?;
    }
    Ok(())
}

/// Reads one of the configuration.
pub(crate) fn parse(limit: &Rlimit) -> Result<Limit, RuntimeError> {
    let resource = match limit.kind.as_str() {
        "RLIMIT_CPU" => Resource::Cpu,
        "RLIMIT_FSIZE" => Resource::Fsize,
        "RLIMIT_DATA" => Resource::Data,
        "RLIMIT_STACK" => Resource::Stack,
        "RLIMIT_CORE" => Resource::Core,
        "RLIMIT_RSS" => Resource::Rss,
        "RLIMIT_NPROC" => Resource::Nproc,
        "RLIMIT_NOFILE" => Resource::Nofile,
        "RLIMIT_MEMLOCK" => Resource::Memlock,
        "RLIMIT_AS" => Resource::As,
        "RLIMIT_LOCKS" => Resource::Locks,
        "RLIMIT_SIGPENDING" => Resource::Sigpending,
        "RLIMIT_MSGQUEUE" => Resource::Msgqueue,
        "RLIMIT_NICE" => Resource::Nice,
        "RLIMIT_RTPRIO" => Resource::Rtprio,
        "RLIMIT_RTTIME" => Resource::Rttime,
        other => return Err(RuntimeError::field("process.rlimits", other, "unknown limit")),
    };
    let bound = |value: u64| (value != u64::MAX).then_some(value);
    let value = rustix::process::Rlimit { current: bound(limit.soft), maximum: bound(limit.hard) };
    Ok((resource, value))
}
