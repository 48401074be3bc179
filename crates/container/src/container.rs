//! One container in memory: its record, its state, its supervisor, and who waits for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shim_client::{Attachment, Shim};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard, oneshot, watch};
use types::{ContainerId, ExecId};

use crate::{
    exec::Exec,
    health::{Monitor, Status},
    record::Record,
    state::{Phase, State},
};

/// A container. Shared by every operation on it; outlives its removal for those who wait.
pub struct Container {
    /// Never changes.
    pub id: ContainerId,
    live: Mutex<Live>,
    operation: AsyncMutex<()>,
    progress: watch::Sender<Progress>,
}

/// Everything that changes. Held only for moments, never across an await.
pub struct Live {
    /// Desired state.
    pub record: Arc<Record>,
    /// Actual state.
    pub state: State,
    /// The supervisor while init exists.
    pub shim: Option<Shim>,
    /// Resolves when the supervisor of the last run is gone, and the mounts of that run with it.
    pub departing: Option<oneshot::Receiver<()>>,
    /// The container's end of its network while init exists.
    pub endpoint: Option<network::Endpoint>,
    /// Streams that were attached before the start.
    pub pending: Vec<Attachment>,
    /// Exec sessions, ended ones included until the container's next start.
    pub execs: BTreeMap<ExecId, Arc<Exec>>,
    /// Probes its health while it runs.
    pub monitor: Option<Monitor>,
    /// Why init is being ended, when it is to be started again then.
    pub planned_restart: Option<String>,
}

/// What waiters watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Now.
    pub phase: Phase,
    /// How often init has ended.
    pub exits: u64,
    /// Of the last run.
    pub exit_code: i32,
    /// Of the last run that has ended, while another one goes on too.
    pub last_exit_code: i32,
    /// Of a container with a health check.
    pub health: Option<Status>,
    /// Whether the container is gone.
    pub is_removed: bool,
}

impl Container {
    /// Wraps a record and its last known state.
    #[must_use]
    pub fn new(record: Record, state: State) -> Self {
        let progress = Progress {
            phase: state.phase,
            exits: 0,
            exit_code: state.exit_code,
            last_exit_code: state.exit_code,
            health: None,
            is_removed: false,
        };
        Self {
            id: record.id.clone(),
            live: Mutex::new(Live {
                record: Arc::new(record),
                state,
                shim: None,
                departing: None,
                endpoint: None,
                pending: Vec::new(),
                execs: BTreeMap::new(),
                monitor: None,
                planned_restart: None,
            }),
            operation: AsyncMutex::new(()),
            progress: watch::channel(progress).0,
        }
    }

    /// The changing part. A panic elsewhere cannot leave it half-changed: every change is one
    /// assignment or one transition.
    pub fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One operation at a time: start, stop, remove and so on exclude each other.
    pub async fn lock(&self) -> AsyncGuard<'_, ()> {
        self.operation.lock().await
    }

    /// The desired state.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        Arc::clone(&self.live().record)
    }

    /// The actual state.
    #[must_use]
    pub fn state(&self) -> State {
        self.live().state.clone()
    }

    /// The supervisor, if init exists.
    #[must_use]
    pub fn shim(&self) -> Option<Shim> {
        self.live().shim.clone()
    }

    /// A watch on progress, current value included.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Tells waiters of the present state.
    pub fn announce(&self, has_exited: bool) {
        let state = self.state();
        self.progress.send_modify(|progress| {
            progress.phase = state.phase;
            progress.exit_code = state.exit_code;
            progress.health = state.health.as_ref().map(|health| health.status);
            progress.exits += u64::from(has_exited);
            if has_exited {
                progress.last_exit_code = state.exit_code;
            }
        });
    }

    /// Tells waiters that the container is gone.
    pub fn announce_removal(&self) {
        self.progress.send_modify(|progress| progress.is_removed = true);
    }
}
