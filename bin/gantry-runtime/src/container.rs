//! A container that exists.

use std::path::{Path, PathBuf};

use anyhow::Context;
use oci::runtime::State;
use runtime::cgroup::Cgroup;

use crate::state::{self, Record};

/// A container: what is recorded and what is.
pub struct Container {
    pub record: Record,
    pub directory: PathBuf,
    pub cgroup: Cgroup,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

impl Container {
    pub fn load(root: &Path, id: &str) -> anyhow::Result<Self> {
        let record = Record::load(root, id)?;
        let cgroup = Cgroup::open(&record.cgroup_path).context("open cgroup")?;
        Ok(Self { directory: state::directory(root, id)?, record, cgroup })
    }

    pub fn status(&self) -> Status {
        if state::start_time(self.record.pid) != Some(self.record.start_time) {
            return Status::Stopped;
        }
        if state::fifo(&self.directory).exists() {
            return Status::Created;
        }
        // A host without a freezer has no paused containers.
        if self.cgroup.is_frozen().unwrap_or(false) { Status::Paused } else { Status::Running }
    }

    pub fn fifo(&self) -> PathBuf {
        state::fifo(&self.directory)
    }

    /// The document of `state` and hooks.
    pub fn document(&self, status: Status) -> State {
        let pid = (status != Status::Stopped).then_some(self.record.pid);
        let Record { spec, id, bundle, .. } = &self.record;
        runtime::hook::state(spec, id, bundle, status.name(), pid)
    }
}
