//! All containers of the engine: lookup by id, name and prefix; persistence.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use image::Images;
use metadata::{Database, container as table, container::ContainerRow};
use network::Networks;
use snapshot::{Key, Snapshotter};
use sys::trash::Trash;
use types::{ContainerId, ContainerName};
use volume::Volumes;

use crate::{
    ContainerError,
    account_cache::AccountCache,
    cgroup_moves::CgroupMoves,
    container::Container,
    event::Events,
    exec::Exec,
    record::Record,
    seccomp_cache::SeccompCache,
    settings::Settings,
    shim_pool::ShimPool,
    state::{State, Transition},
};

/// Where removed containers' files wait for their deletion, below their directory.
pub(crate) const TRASH: &str = ".removed";

/// The services below.
#[derive(Clone)]
pub struct Services {
    /// Images.
    pub images: Images,
    /// Networks.
    pub networks: Networks,
    /// Volumes.
    pub volumes: Volumes,
    /// Layers and writable layers.
    pub snapshots: Arc<dyn Snapshotter>,
    /// Rows.
    pub database: Database,
    /// The event bus.
    pub events: Events,
}

/// The container service; cheap to clone.
#[derive(Clone)]
pub struct Containers {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) services: Services,
    pub(crate) settings: Settings,
    pub(crate) seccomp: SeccompCache,
    pub(crate) accounts: AccountCache,
    pub(crate) shims: ShimPool,
    /// The engine is stopping and takes its containers along: no policy starts them again.
    pub(crate) is_stopping: AtomicBool,
    pub(crate) trash: Trash,
    pub(crate) cgroup_moves: CgroupMoves,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_id: BTreeMap<ContainerId, Arc<Container>>,
    by_name: HashMap<ContainerName, ContainerId>,
}

impl Containers {
    /// Loads every row. Call [`Containers::reconcile`] before the first request is served.
    ///
    /// # Errors
    /// [`ContainerError::Database`] and [`ContainerError::Document`] for damaged rows, and those
    /// of making the directories.
    pub fn open(services: Services, settings: Settings) -> Result<Self, ContainerError> {
        settings.make_directories()?;
        let rows = services.database.read(|c| Ok::<_, ContainerError>(table::all(c)?))?;
        let mut entries = Table::default();
        for row in rows {
            let container = Arc::new(from_row(&row)?);
            entries.by_name.insert(container.record().name.clone(), row.id.clone());
            entries.by_id.insert(row.id, container);
        }
        let seccomp = SeccompCache::open(settings.exec_dir.join("seccomp"), &settings.seccomp)?;
        let shims = ShimPool::new(settings.shim_binary.clone(), settings.exec_dir.join("shims"));
        let accounts = AccountCache::default();
        let cgroup_moves = CgroupMoves::prepare(settings.favor_dynmods);
        let trash = open_trash(&settings)?;
        let table = Mutex::new(entries);
        let inner = Inner {
            services,
            settings,
            seccomp,
            accounts,
            shims,
            is_stopping: AtomicBool::new(false),
            trash,
            cgroup_moves,
            table,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event bus.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.inner.services.events
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Every container, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Container>> {
        let mut all: Vec<_> = self.table().by_id.values().cloned().collect();
        all.sort_by_key(|container| container.record().created_nanos);
        all
    }

    /// Finds a container by full id, name (with or without slash), or unique id prefix.
    ///
    /// # Errors
    /// [`ContainerError::NotFound`], [`ContainerError::AmbiguousPrefix`].
    pub fn find(&self, reference: &str) -> Result<Arc<Container>, ContainerError> {
        let table = self.table();
        if let Ok(id) = reference.parse::<ContainerId>()
            && let Some(container) = table.by_id.get(&id)
        {
            return Ok(Arc::clone(container));
        }
        if let Ok(name) = reference.parse::<ContainerName>()
            && let Some(container) = table.by_name.get(&name).and_then(|id| table.by_id.get(id))
        {
            return Ok(Arc::clone(container));
        }
        if reference.contains('/') {
            drop(table);
            return self
                .find_by_link(reference)
                .ok_or_else(|| ContainerError::NotFound(reference.to_owned()));
        }
        let is_prefix = !reference.is_empty() && reference.bytes().all(|b| b.is_ascii_hexdigit());
        let mut matches = table
            .by_id
            .values()
            .filter(|container| is_prefix && container.id.as_str().starts_with(reference));
        match (matches.next(), matches.next()) {
            (Some(only), None) => Ok(Arc::clone(only)),
            (Some(_), Some(_)) => Err(ContainerError::AmbiguousPrefix(reference.to_owned())),
            (None, _) => Err(ContainerError::NotFound(reference.to_owned())),
        }
    }

    /// Adds a container to the table and the database at once; the name must be free.
    pub(crate) fn insert(&self, record: Record) -> Result<Arc<Container>, ContainerError> {
        let mut table = self.table();
        if let Some(holder) = table.by_name.get(&record.name) {
            return Err(ContainerError::NameTaken {
                name: record.name.to_string(),
                holder: holder.to_string(),
            });
        }
        let row = to_row(&record, &State::default())?;
        self.inner
            .services
            .database
            .write(|tx| Ok::<_, ContainerError>(table::insert(tx, &row)?))?;
        let (id, name) = (record.id.clone(), record.name.clone());
        let container = Arc::new(Container::new(record, State::default()));
        table.by_name.insert(name, id.clone());
        table.by_id.insert(id, Arc::clone(&container));
        Ok(container)
    }

    /// Whether a name is taken, and by which container.
    pub(crate) fn holder_of(&self, name: &ContainerName) -> Option<ContainerId> {
        self.table().by_name.get(name).cloned()
    }

    /// Forgets a container: row first, so that a crash in between leaves nothing named.
    pub(crate) fn forget(&self, container: &Container) -> Result<(), ContainerError> {
        let id = &container.id;
        // Who waits for a start that never comes hears the end.
        container.live().pending.clear();
        self.inner.services.database.write(|tx| Ok::<_, ContainerError>(table::delete(tx, id)?))?;
        let mut table = self.table();
        table.by_id.remove(id);
        table.by_name.retain(|_, holder| holder != id);
        Ok(())
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// [`ContainerError::NameTaken`].
    pub async fn rename(
        &self,
        reference: &str,
        name: &ContainerName,
    ) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let _operation = container.lock().await;
        let old = container.record().name.clone();
        if old == *name {
            return Err(ContainerError::Invalid(
                "Renaming a container with the same name as its current name".into(),
            ));
        }
        {
            let mut table = self.table();
            if let Some(holder) = table.by_name.get(name) {
                return Err(ContainerError::NameTaken {
                    name: name.to_string(),
                    holder: holder.to_string(),
                });
            }
            self.change_record(&container, |record| record.name = name.clone())?;
            table.by_name.remove(&old);
            table.by_name.insert(name.clone(), container.id.clone());
        }
        let attributes = BTreeMap::from([("oldName".to_owned(), format!("/{old}"))]);
        self.publish(&container, "rename", attributes);
        Ok(())
    }

    /// Changes the desired state: the database first, then memory.
    pub(crate) fn change_record(
        &self,
        container: &Container,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), ContainerError> {
        let mut live = container.live();
        let mut record = Record::clone(&live.record);
        change(&mut record);
        let text = encode("container record", &record)?;
        self.inner.services.database.write(|tx| {
            Ok::<_, ContainerError>(table::update_record(
                tx,
                &record.id,
                record.name.as_str(),
                &text,
            )?)
        })?;
        live.record = Arc::new(record);
        Ok(())
    }

    /// Applies a transition: the database first, then memory, then whoever waits.
    pub(crate) fn transition(
        &self,
        container: &Container,
        transition: Transition,
    ) -> Result<(), ContainerError> {
        let has_exited = matches!(transition, Transition::Exited(_));
        self.change_state(container, |state| Ok(state.apply(transition)?))?;
        container.announce(has_exited);
        Ok(())
    }

    /// Changes the actual state without a transition (counters, flags) or with one.
    pub(crate) fn change_state(
        &self,
        container: &Container,
        change: impl FnOnce(&mut State) -> Result<(), ContainerError>,
    ) -> Result<(), ContainerError> {
        let mut live = container.live();
        let mut state = live.state.clone();
        change(&mut state)?;
        self.persist_state(&container.id, &state)?;
        live.state = state;
        Ok(())
    }

    /// Writes a state to its row.
    pub(crate) fn persist_state(
        &self,
        id: &ContainerId,
        state: &State,
    ) -> Result<(), ContainerError> {
        let text = encode("container state", state)?;
        self.inner
            .services
            .database
            .write(|tx| Ok::<_, ContainerError>(table::update_state(tx, id, &text)?))
    }

    /// Emits a container event with Docker's attributes.
    pub(crate) fn publish(
        &self,
        container: &Container,
        action: impl Into<String>,
        extra: BTreeMap<String, String>,
    ) {
        let record = container.record();
        let mut attributes = extra;
        attributes.extend(record.config.labels.clone());
        attributes.insert("image".to_owned(), record.config.image.clone());
        attributes.insert("name".to_owned(), record.name.to_string());
        self.events().publish("container", action, container.id.as_str(), attributes);
    }

    /// Tells that a client left an exec session by the detach keys.
    pub fn publish_exec_detach(&self, container: &Container, exec: &Exec) {
        let extra = [("execID".to_owned(), exec.id.to_string())].into();
        self.publish(container, "exec_detach", extra);
    }

    /// Tells that an image was made of a container.
    pub fn publish_commit(&self, container: &Container, image: &str, name: &str, comment: &str) {
        let extra = [("imageID", image), ("imageRef", name), ("comment", comment)];
        let extra = extra.map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.publish(container, "commit", extra.into());
    }

    /// Emits a container event that has nothing to add.
    pub fn publish_plain(&self, container: &Container, action: &str) {
        self.publish(container, action, BTreeMap::new());
    }

    /// `DATA_ROOT/containers/ID`.
    pub(crate) fn data_dir(&self, id: &ContainerId) -> PathBuf {
        self.inner.settings.data_dir.join(id.as_str())
    }

    /// `EXEC_ROOT/shims/ID`.
    pub(crate) fn shim_dir(&self, id: &ContainerId) -> PathBuf {
        self.inner.settings.exec_dir.join("shims").join(id.as_str())
    }

    /// The container's cgroup below every hierarchy.
    pub(crate) fn cgroup_path(&self, record: &Record) -> String {
        let asked = record.host_config.resources.cgroup_parent.trim_end_matches('/');
        let parent = if asked.is_empty() { &self.inner.settings.cgroup_parent } else { asked };
        format!("/{}/{}", parent.trim_matches('/'), record.id)
    }
}

/// Opens the directory of removed containers' files and goes on with their deletion.
fn open_trash(settings: &Settings) -> Result<Trash, ContainerError> {
    let path = settings.data_dir.join(TRASH);
    Trash::open(path.clone(), |path, error| {
        tracing::warn!(path = %path.display(), %error, "cannot delete a removed container's files");
    })
    .and_then(|trash| trash.empty().map(|()| trash))
    .map_err(|source| ContainerError::File { action: "prepare", path, source })
}

/// The key of a container's writable layer.
pub(crate) fn snapshot_key(id: &ContainerId) -> Key {
    id.as_str().parse().expect("an id is a valid snapshot key")
}

pub(crate) fn encode(
    what: &'static str,
    document: &impl serde::Serialize,
) -> Result<String, ContainerError> {
    serde_json::to_string(document).map_err(|source| ContainerError::Document { what, source })
}

fn to_row(record: &Record, state: &State) -> Result<ContainerRow, ContainerError> {
    Ok(ContainerRow {
        id: record.id.clone(),
        name: record.name.to_string(),
        created_nanos: record.created_nanos,
        image: record.image.to_string(),
        record: encode("container record", record)?,
        state: encode("container state", state)?,
    })
}

fn from_row(row: &ContainerRow) -> Result<Container, ContainerError> {
    let failed = |what| move |source| ContainerError::Document { what, source };
    let record = serde_json::from_str(&row.record).map_err(failed("container record"))?;
    let state = serde_json::from_str(&row.state).map_err(failed("container state"))?;
    Ok(Container::new(record, state))
}
