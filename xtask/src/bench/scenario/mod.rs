//! What is measured.

mod concurrent;
mod latency;
mod memory;
mod phase;
mod scale;
mod transfer;

use anyhow::Result;

use super::{fleet::Ground, report::Table};

/// A name to ask for, and how to measure it.
pub struct Scenario {
    pub name: &'static str,
    pub run: fn(&Ground) -> Result<Vec<Table>>,
}

/// In the order of the document.
pub const ALL: &[Scenario] = &[
    Scenario { name: "run", run: latency::run },
    Scenario { name: "exec", run: latency::exec },
    Scenario { name: "start", run: latency::start },
    Scenario { name: "ps", run: latency::ps },
    Scenario { name: "concurrent", run: concurrent::measure },
    Scenario { name: "phases", run: phase::measure },
    Scenario { name: "memory", run: memory::measure },
    Scenario { name: "transfer", run: transfer::measure },
    Scenario { name: "scale", run: scale::measure },
];

/// The names, for the command line.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|scenario| scenario.name).collect()
}

/// The clients whose figures are judged, and what the others are compared with.
const GANTRY: &str = "gantry, gantryd";
const DOCKER_CLI: &str = "docker CLI, gantryd";
const BASELINE: &str = "docker CLI, dockerd";
