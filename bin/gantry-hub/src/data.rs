//! The data directory.
//!
//! ```text
//! DATA/hub.db      accounts, repositories, manifests (SQLite)
//! DATA/blobs/      the blob store
//! DATA/token.key   the key that signs tokens, mode 0600
//! DATA/lock        held by the serving process
//! ```

use std::{
    fs::{File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail};
use blob_store::DiskStore;
use hub::{Hub, HubSettings, SignUp, SigningKey, SqliteAccounts};
use registry::{Database, Limits, Registry, SqliteCatalog};

use crate::config::Settings;

/// An open data directory.
pub struct Data {
    pub hub: Hub,
    pub database: Database,
}

impl Data {
    /// Opens the directory for serving, or beside a serving process.
    pub async fn open(dir: &Path, settings: HubSettings, limits: Limits) -> anyhow::Result<Self> {
        make_private_dir(dir)?;
        let database = Database::open(&dir.join("hub.db")).await?;
        let catalog = SqliteCatalog::open(database.clone()).await?;
        let accounts = SqliteAccounts::open(database.clone()).await?;
        let blobs = DiskStore::open(&dir.join("blobs"))?;
        let registry = Registry::new(Arc::new(catalog), Arc::new(blobs), limits);
        let key = SigningKey::load_or_create(&dir.join("token.key"))?;
        let hub = Hub::new(Arc::new(accounts), registry, key, settings)?;
        Ok(Self { hub, database })
    }

    /// Opens the directory for a command.
    pub async fn open_for_command(dir: &Path) -> anyhow::Result<Self> {
        let settings = HubSettings { service: "gantry-hub".into(), sign_up: SignUp::Closed };
        Self::open(dir, settings, Limits::default()).await
    }

    /// Opens the directory as the settings say.
    pub async fn open_for_serving(settings: &Settings) -> anyhow::Result<Self> {
        let hub = HubSettings { service: settings.service.clone(), sign_up: settings.sign_up };
        Self::open(&settings.data_dir, hub, settings.limits).await
    }
}

fn make_private_dir(dir: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make data directory {}", dir.display()))
}

/// Makes sure that one process serves the directory; held until dropped.
pub fn lock(dir: &Path) -> anyhow::Result<File> {
    make_private_dir(dir)?;
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another gantry-hub serves {}", dir.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
