//! The service: what it stands on, naming, and finding.

use std::sync::Arc;

use content::Store;
use distribution::Client;
use metadata::{Database, image as rows, rusqlite::Connection};
use snapshot::{Limits, Snapshotter};
use types::{Digest, Reference};

use tokio::sync::Semaphore;

use crate::{Hold, Image, ImageError, config, flight::Flights, hold::Holds, model};

/// What the service keeps its things in.
#[derive(Clone)]
pub struct Stores {
    /// Rows.
    pub database: Database,
    /// Blobs.
    pub content: Arc<Store>,
    /// Unpacked layers.
    pub snapshotter: Arc<dyn Snapshotter>,
}

/// How the service behaves.
#[derive(Debug, Clone)]
pub struct ImagesConfig {
    /// Layers fetched at once, over all pulls.
    pub max_concurrent_downloads: usize,
    /// Layers sent at once, over all pushes.
    pub max_concurrent_uploads: usize,
    /// Bounds on one layer.
    pub limits: Limits,
    /// Where archives are spooled while they are loaded; on a disk, not in memory.
    pub spool_dir: std::path::PathBuf,
}

impl Default for ImagesConfig {
    fn default() -> Self {
        Self {
            max_concurrent_downloads: 3,
            max_concurrent_uploads: 5,
            limits: Limits::default(),
            spool_dir: std::env::temp_dir(),
        }
    }
}

/// The image service; cheap to clone.
#[derive(Clone)]
pub struct Images {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) stores: Stores,
    pub(crate) client: Client,
    pub(crate) config: ImagesConfig,
    pub(crate) holds: Holds,
    pub(crate) flights: Flights,
    pub(crate) downloads: Semaphore,
    pub(crate) uploads: Semaphore,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

impl Images {
    /// Opens the service and repairs what an earlier end left: layers and blobs without rows go,
    /// layers of unfinished pulls stay for a day so that the pull can go on.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn open(stores: Stores, client: Client, config: ImagesConfig) -> Result<Self, ImageError> {
        let inner = Inner {
            stores,
            client,
            holds: Holds::default(),
            flights: Flights::default(),
            downloads: Semaphore::new(config.max_concurrent_downloads.max(1)),
            uploads: Semaphore::new(config.max_concurrent_uploads.max(1)),
            config,
        };
        let images = Self { inner: Arc::new(inner) };
        images.inner.recover()?;
        Ok(images)
    }

    /// The registry client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// Finds an image by name (tag `latest` when none is given), by `name@digest`, by id or by
    /// the beginning of an id.
    ///
    /// # Errors
    /// [`ImageError::NotFound`], [`ImageError::Ambiguous`].
    pub fn resolve(&self, name_or_id: &str) -> Result<Image, ImageError> {
        self.inner.read(|connection| {
            let id = find(connection, name_or_id)?;
            model::read(connection, &id)?.ok_or_else(|| not_found(name_or_id))
        })
    }

    /// Reads an image by id, also one that is only kept for a container.
    ///
    /// # Errors
    /// [`ImageError::NotFound`].
    pub fn get(&self, id: &Digest) -> Result<Image, ImageError> {
        self.inner.read(|connection| {
            model::read(connection, id)?
                .ok_or_else(|| ImageError::NotFound { name: id.to_string() })
        })
    }

    /// Resolves an image and keeps it and its layers from being removed until the hold is
    /// dropped: for the time between choosing an image and having a container row that uses it.
    ///
    /// # Errors
    /// Those of [`Images::resolve`].
    pub fn resolve_held(&self, name_or_id: &str) -> Result<(Image, Hold), ImageError> {
        loop {
            let image = self.resolve(name_or_id)?;
            let mut digests = image.diff_ids.clone();
            digests.push(image.id.clone());
            let hold = self.inner.holds.hold(&digests);
            // It may have been removed, or the name moved, before the hold stood.
            match self.resolve(name_or_id) {
                Ok(again) if again.id == image.id => return Ok((again, hold)),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives an image one more name; the name moves if another image had it.
    ///
    /// # Errors
    /// [`ImageError::NotFound`], [`ImageError::TagWithDigest`].
    pub fn tag(&self, source: &str, target: &Reference) -> Result<Image, ImageError> {
        if target.digest().is_some() {
            return Err(ImageError::TagWithDigest);
        }
        let target = target.clone().with_default_tag();
        self.inner.write(|connection| {
            let id = find(connection, source)?;
            rows::set_reference(connection, &target, &id, config::now_ns())?;
            model::read(connection, &id)?.ok_or_else(|| not_found(source))
        })
    }
}

impl Inner {
    pub(crate) fn read<T>(
        &self,
        body: impl FnOnce(&Connection) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        self.stores.database.read(body)
    }

    pub(crate) fn write<T>(
        &self,
        body: impl FnOnce(&Connection) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        self.stores.database.write(|transaction| body(transaction))
    }

    /// Runs file work off the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Inner) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ImageError> {
        let inner = self.clone();
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(|| work(&inner))).await?
    }
}

/// Docker's text: a name shows its tag.
pub(crate) fn not_found(name: &str) -> ImageError {
    let name = match name.parse::<Reference>() {
        Ok(reference) => reference.with_default_tag().familiar(),
        Err(_) => name.to_owned(),
    };
    ImageError::NotFound { name }
}

/// The hexadecimal part of what may be an id or the beginning of one.
pub(crate) fn id_prefix(text: &str) -> Option<&str> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (is_hex && (1..=64).contains(&hex.len())).then_some(hex)
}

/// Finds the id that a name or id means.
pub(crate) fn find(connection: &Connection, name_or_id: &str) -> Result<Digest, ImageError> {
    let is_id = name_or_id.starts_with("sha256:") || name_or_id.len() == 64;
    if !is_id {
        let reference = name_or_id.parse::<Reference>().map_err(ImageError::Reference)?;
        let wanted = match reference.digest() {
            Some(digest) => reference.with_digest(digest.clone()),
            None => reference.with_default_tag(),
        };
        if let Some(id) = rows::by_reference(connection, &wanted)? {
            return Ok(id);
        }
    }
    let Some(prefix) = id_prefix(name_or_id) else { return Err(not_found(name_or_id)) };
    match rows::with_prefix(connection, prefix)?.as_slice() {
        [] => Err(not_found(name_or_id)),
        [id] => Ok(id.clone()),
        _ => Err(ImageError::Ambiguous { prefix: name_or_id.to_owned() }),
    }
}
