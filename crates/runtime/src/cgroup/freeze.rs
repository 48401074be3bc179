//! Freezing and thawing.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Cgroup, CgroupError, Part, Result, value};

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Frozen,
    Running,
}

const DEADLINE: Duration = Duration::from_secs(10);

/// v1's controller if it is mounted, else v2's core file.
fn place(cgroup: &Cgroup) -> Result<(&Part, bool)> {
    if let Some(part) = cgroup.parts.iter().find(|p| p.hierarchy.has_controller("freezer")) {
        return Ok((part, false));
    }
    cgroup
        .unified()
        .map(|part| (part, true))
        .ok_or(CgroupError::Controller { controller: "freezer" })
}

pub(super) fn set(cgroup: &Cgroup, target: Target) -> Result<()> {
    let (part, is_v2) = place(cgroup)?;
    let (file, word) = match (is_v2, target) {
        (true, Target::Frozen) => ("cgroup.freeze", "1"),
        (true, Target::Running) => ("cgroup.freeze", "0"),
        (false, Target::Frozen) => ("freezer.state", "FROZEN"),
        (false, Target::Running) => ("freezer.state", "THAWED"),
    };
    let deadline = Instant::now() + DEADLINE;
    value::set(&part.directory, file, word)?;
    while state(part, is_v2)? != target {
        if Instant::now() >= deadline {
            // Half frozen is worse than running.
            if target == Target::Frozen {
                set(cgroup, Target::Running)?;
            }
            return Err(CgroupError::Timeout {
                operation: "change of freezer state of",
                path: part.directory.clone(),
            });
        }
        thread::sleep(Duration::from_millis(1));
        // v1: a process that forked while it was frozen keeps the group FREEZING until asked
        // again.
        value::set(&part.directory, file, word)?;
    }
    Ok(())
}

pub(super) fn is_frozen(cgroup: &Cgroup) -> Result<bool> {
    let (part, is_v2) = place(cgroup)?;
    if is_v2 {
        return Ok(value::number(&part.directory, "cgroup.freeze")? == 1);
    }
    Ok(value::text(&part.directory, "freezer.state")?.trim() != "THAWED")
}

fn state(part: &Part, is_v2: bool) -> Result<Target> {
    if is_v2 {
        let events = value::pairs(&part.directory, "cgroup.events")?;
        let frozen = events.iter().any(|(key, value)| key == "frozen" && *value == 1);
        return Ok(if frozen { Target::Frozen } else { Target::Running });
    }
    Ok(match value::text(&part.directory, "freezer.state")?.trim() {
        "FROZEN" => Target::Frozen,
        "THAWED" => Target::Running,
        // FREEZING: neither.
        _ => return Ok(Target::Running),
    })
}
