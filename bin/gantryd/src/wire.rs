//! Joins the services over one data root.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use container::{Containers, DnsSettings, Events, Services, Settings};
use content::Store;
use distribution::{Client, ClientConfig};
use engine_http::{
    adapter::{self, EngineFacts},
    backend::Backends,
    scope::{ApiSockets, SocketDefaults},
};
use image::{Images, ImagesConfig, Stores};
use metadata::Database;
use network::{NetworkConfig, Networks};
use snapshot::{OverlaySnapshotter, Snapshotter};
use tokio::sync::watch;
use volume::Volumes;

use crate::{config::Config, group, listen, settings};

/// Everything that the services need to be told.
pub struct EngineSettings {
    /// `DATA_ROOT`.
    pub data_root: PathBuf,
    /// `EXEC_ROOT`.
    pub exec_root: PathBuf,
    /// The bridge and what networks share.
    pub network: NetworkConfig,
    /// Registries.
    pub registry: ClientConfig,
    /// Layers at a time.
    pub max_concurrent_downloads: usize,
    /// Layers at a time.
    pub max_concurrent_uploads: usize,
    /// Containers; directories are filled in here.
    pub containers: Settings,
    /// What `/info` says; id and data root are filled in here.
    pub facts: EngineFacts,
}

/// The running services.
pub struct Engine {
    /// For the routers.
    pub backends: Backends,
    /// Further sockets with fewer rights.
    pub sockets: ApiSockets,
    containers: Containers,
    id: String,
    config: watch::Receiver<Arc<Config>>,
}

impl Engine {
    /// Ends the services after the last request. Containers keep running unless the
    /// configuration says `stop-containers-on-exit`.
    pub async fn stop(self) {
        self.sockets.close().await;
        let config = Arc::clone(&self.config.borrow());
        if config.stop_containers_on_exit {
            self.containers.stop_all(config.shutdown_timeout).await;
        }
        self.containers.events().flush().await;
    }
}

impl Engine {
    /// Tells clients that the configuration was read again, and what it says now.
    pub fn tell_reload(&self, mut attributes: BTreeMap<String, String>) {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        attributes.insert("name".to_owned(), name);
        self.containers.events().publish("daemon", "reload", self.id.as_str(), attributes);
    }
}

/// Opens the stores, reconciles, and starts what restart policies want.
///
/// `config` changes when SIGHUP reloads it; only the keys of
/// [`crate::reload::RELOADABLE`] ever differ.
///
/// # Errors
/// What keeps the engine from serving: directories, the database, the bridge, damaged rows.
pub async fn wire(config: watch::Receiver<Arc<Config>>) -> Result<Engine> {
    let settings = settings::of(&config.borrow())?;
    let root = settings.data_root;
    make_dir(&root, 0o711)?;
    make_dir(&settings.exec_root, 0o711)?;
    let database = Database::open(&root.join("engine.db"))?;
    let content = Arc::new(Store::open(root.join("content")).context("cannot open the blobs")?);
    let snapshots: Arc<dyn Snapshotter> = Arc::new(
        OverlaySnapshotter::open(root.join("snapshot")).context("cannot open the layers")?,
    );
    let spool_dir = root.join("tmp");
    make_dir(&spool_dir, 0o700)?;
    let images = Images::open(
        Stores { database: database.clone(), content, snapshotter: Arc::clone(&snapshots) },
        Client::new(settings.registry),
        ImagesConfig {
            max_concurrent_downloads: settings.max_concurrent_downloads,
            max_concurrent_uploads: settings.max_concurrent_uploads,
            spool_dir,
            ..ImagesConfig::default()
        },
    )
    .context("cannot open the images")?;
    let dns = &settings.network.dns;
    let dns = DnsSettings {
        servers: dns.servers.iter().map(ToString::to_string).collect(),
        search: dns.search.clone(),
        options: dns.options.clone(),
    };
    let networks = Networks::open(settings.network, database.clone())
        .context("cannot set up the default bridge")?;
    let volumes =
        Volumes::open(root.join("volumes"), database.clone()).context("cannot open the volumes")?;
    for path in volumes.reconcile().context("cannot check the volumes")? {
        tracing::warn!(path = %path.display(), "a volume directory without a row is left alone: it holds data");
    }
    let events = Events::open(&root.join("events")).context("cannot open the events")?;
    let sockets = SocketDefaults {
        dir: settings.exec_root.join("api"),
        gid: listen::socket_group(&config.borrow())?,
        find_group: group::id,
    };
    let rows = database.clone();
    let containers = Containers::open(
        Services {
            images: images.clone(),
            networks: networks.clone(),
            volumes: volumes.clone(),
            snapshots,
            database,
            events,
        },
        Settings {
            data_dir: root.join("containers"),
            exec_dir: settings.exec_root,
            dns,
            ..settings.containers
        },
    )
    .context("cannot open the containers")?;
    let report = containers.reconcile().await.context("cannot reconcile the containers")?;
    tracing::info!(?report, "reconciled");
    images
        .sweep(Arc::new(container::ImageUsage(containers.clone())))
        .await
        .context("cannot sweep the images")?;
    containers.start_at_boot();
    let id = engine_id(&root)?;
    let facts = EngineFacts {
        id: id.clone(),
        data_root: root.to_string_lossy().into_owned(),
        ..settings.facts
    };
    let services = adapter::Engine::new(containers.clone(), images, networks, volumes, facts);
    let backends = services.backends();
    let sockets = ApiSockets::open(backends.clone(), rows, sockets)
        .await
        .context("cannot read the API sockets")?;
    Ok(Engine { backends, sockets, containers, id, config })
}

fn make_dir(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

/// The id of this data root, drawn once.
fn engine_id(root: &Path) -> Result<String> {
    let path = root.join("engine-id");
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    }
    let id = types::ContainerId::random().to_string();
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o644)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}
