//! New images: naming layers that stand.

use std::io::Read;

use metadata::image::{self as rows, ImageRow, ManifestRow};
use oci::image::{ExecutionConfig, History, ImageConfig, Platform, RootFs};
use types::{Digest, Reference};

use crate::{
    Image, ImageError, Images, StoredLayer, changes, config,
    images::{Inner, not_found},
    manifest, model,
};

/// What a new image is made of.
pub struct NewImage {
    /// The image below; `None` for a base image.
    pub parent: Option<Image>,
    /// The layer on top; `None` when only the configuration changes.
    pub layer: Option<StoredLayer>,
    /// How to run it.
    pub execution: ExecutionConfig,
    /// Where it runs.
    pub platform: Platform,
    /// The command that made it, for the history.
    pub created_by: Option<String>,
    /// `-m`.
    pub comment: Option<String>,
    /// `-a`.
    pub author: Option<String>,
}

/// What `commit` is asked for.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// The container's image.
    pub parent: Option<Digest>,
    /// The container's configuration.
    pub execution: ExecutionConfig,
    /// Dockerfile instructions (`--change`).
    pub changes: Vec<String>,
    /// The container's command line.
    pub created_by: Option<String>,
    /// `-m`.
    pub comment: Option<String>,
    /// `-a`.
    pub author: Option<String>,
    /// A name for it.
    pub reference: Option<Reference>,
}

impl Images {
    /// Makes an image of a container's changes: `layer` is the tar of its writable layer
    /// (`Snapshotter::export_upper`).
    ///
    /// # Errors
    /// [`ImageError::NotFound`] for the parent, [`ImageError::Change`], and those of the stores.
    pub async fn commit(
        &self,
        request: CommitRequest,
        mut layer: impl Read + Send + 'static,
    ) -> Result<Image, ImageError> {
        self.inner
            .blocking(move |inner| {
                let mut execution = request.execution;
                changes::apply(&mut execution, &request.changes).map_err(ImageError::Change)?;
                let parent = request.parent.map(|id| inner.held(&id)).transpose()?;
                let (parent, _hold) = parent.unzip();
                let layer = inner.add_layer(&mut layer, None)?;
                let platform = parent.as_ref().map_or_else(Platform::host, Image::platform);
                let id = inner.create_from_layer(
                    NewImage {
                        parent,
                        layer: Some(layer),
                        execution,
                        platform,
                        created_by: request.created_by,
                        comment: request.comment,
                        author: request.author,
                    },
                    request.reference.as_ref(),
                )?;
                inner.image(&id)
            })
            .await
    }

    /// Makes a layer of a tar stream, compressed or not: for builds and commits that name it
    /// later with [`Images::create_from_layer`].
    ///
    /// # Errors
    /// Those of the stores; a refused archive.
    pub async fn add_layer(
        &self,
        mut tar: impl Read + Send + 'static,
    ) -> Result<StoredLayer, ImageError> {
        self.inner.blocking(move |inner| inner.add_layer(&mut tar, None)).await
    }

    /// Makes an image of a parent and a layer, and names it if `reference` says so.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn create_from_layer(
        &self,
        new: NewImage,
        reference: Option<Reference>,
    ) -> Result<Digest, ImageError> {
        self.inner.blocking(move |inner| inner.create_from_layer(new, reference.as_ref())).await
    }
}

impl Inner {
    pub(crate) fn image(&self, id: &Digest) -> Result<Image, ImageError> {
        self.read(|c| model::read(c, id)?.ok_or_else(|| not_found(&id.to_string())))
    }

    fn held(&self, id: &Digest) -> Result<(Image, crate::Hold), ImageError> {
        let image = self.image(id)?;
        let mut digests = image.diff_ids.clone();
        digests.push(id.clone());
        let hold = self.holds.hold(&digests);
        Ok((self.image(id)?, hold))
    }

    pub(crate) fn create_from_layer(
        &self,
        new: NewImage,
        reference: Option<&Reference>,
    ) -> Result<Digest, ImageError> {
        let below = match &new.parent {
            Some(parent) => Some(self.held(&parent.id)?),
            None => None,
        };
        let document = document(&new);
        let (id, raw_config) = config::encode(&document);
        let diff_ids = document.rootfs.diff_ids.clone();
        let parent_blobs = match &below {
            Some((parent, _)) => self.read(|c| manifest::complete(c, parent))?.1,
            None => Vec::new(),
        };
        let blobs: Vec<_> =
            parent_blobs.into_iter().chain(new.layer.as_ref().map(|l| l.blob.clone())).collect();
        let manifest = manifest::made_of(&id, &raw_config, &blobs);
        let size_bytes = below.as_ref().map_or(0, |(parent, _)| parent.size_bytes)
            + new.layer.as_ref().map_or(0, |layer| layer.size_bytes);
        let row = ImageRow {
            id: id.clone(),
            created_ns: config::date_ns(document.created.as_deref()),
            tagged_ns: config::now_ns(),
            config: raw_config,
            size_bytes,
            parent: below.as_ref().map(|(parent, _)| parent.id.clone()),
            is_hidden: false,
        };
        let references: Vec<Reference> = reference.cloned().into_iter().collect();
        self.name(&row, &diff_ids, &[manifest], &references)?;
        Ok(id)
    }

    /// The one transaction that makes an image be: its layers stand and are held by the caller;
    /// they are synced here first.
    pub(crate) fn name(
        &self,
        row: &ImageRow,
        diff_ids: &[Digest],
        manifests: &[ManifestRow],
        references: &[Reference],
    ) -> Result<(), ImageError> {
        let unsynced = self.read(|c| Ok(rows::unsynced_layers(c)?))?;
        let mut pending: Vec<Digest> =
            unsynced.into_iter().filter(|diff_id| diff_ids.contains(diff_id)).collect();
        pending.dedup();
        if !pending.is_empty() {
            self.stores.snapshotter.sync(&pending)?;
        }
        self.write(|c| {
            for diff_id in &pending {
                rows::mark_synced(c, diff_id)?;
            }
            rows::insert(c, row, diff_ids)?;
            for manifest in manifests {
                rows::insert_manifest(c, manifest)?;
            }
            for reference in references {
                let named = reference.clone().with_default_tag();
                rows::set_reference(c, &named, &row.id, config::now_ns())?;
            }
            Ok(())
        })
    }
}

fn document(new: &NewImage) -> ImageConfig {
    let base = new.parent.as_ref().map(|parent| parent.config.clone()).unwrap_or_default();
    let created = config::now_rfc3339();
    let mut history = base.history;
    history.push(History {
        created: Some(created.clone()),
        created_by: new.created_by.clone(),
        author: new.author.clone(),
        comment: new.comment.clone(),
        empty_layer: new.layer.is_none(),
    });
    let mut diff_ids = base.rootfs.diff_ids;
    diff_ids.extend(new.layer.as_ref().map(|layer| layer.diff_id.clone()));
    ImageConfig {
        created: Some(created),
        author: new.author.clone(),
        architecture: new.platform.architecture.clone(),
        os: new.platform.os.clone(),
        os_version: new.platform.os_version.clone(),
        variant: new.platform.variant.clone(),
        comment: new.comment.clone(),
        config: Some(new.execution.clone()),
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids },
        history,
    }
}
