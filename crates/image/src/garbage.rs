//! What nothing stands on any more.

use std::{collections::HashSet, time::Duration};

use metadata::image as rows;
use types::Digest;

use crate::{DiskUsage, ImageError, ImageUse, Images, config, images::Inner};

/// Layers of a pull that did not finish are kept this long for the next attempt.
const PATIENCE_NS: i64 = 24 * 3600 * 1_000_000_000;
const INGEST_PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

impl Images {
    /// Deletes images that were only kept for containers which are gone now. Called after a
    /// container was removed and at the engine's start.
    ///
    /// # Errors
    /// Those of the stores.
    pub async fn sweep(&self, usage: std::sync::Arc<dyn ImageUse>) -> Result<(), ImageError> {
        self.inner.blocking(move |inner| inner.sweep_hidden(usage.as_ref())).await
    }

    /// Measures what all images take together.
    ///
    /// # Errors
    /// Those of the stores.
    pub fn disk_usage(&self) -> Result<DiskUsage, ImageError> {
        self.inner.read(|c| {
            let mut usage = DiskUsage::default();
            for diff_id in rows::all_layers(c)? {
                let size_bytes = rows::layer_size(c, &diff_id)?.unwrap_or(0);
                usage.layers_bytes += size_bytes;
                let blobs = rows::blobs(c, &diff_id)?;
                usage.blobs_bytes += blobs
                    .iter()
                    .filter(|blob| blob.is_local)
                    .map(|blob| blob.size_bytes)
                    .sum::<u64>();
                usage.layers.insert(diff_id, size_bytes);
            }
            Ok(usage)
        })
    }
}

impl Inner {
    pub(crate) fn sweep_hidden(&self, usage: &dyn ImageUse) -> Result<(), ImageError> {
        let hidden: Vec<_> =
            self.read(|c| Ok(rows::all(c)?))?.into_iter().filter(|row| row.is_hidden).collect();
        for row in hidden {
            let Some(_dying) = self.holds.begin_removal(&row.id) else { continue };
            if !usage.containers_using(&row.id).is_empty() {
                continue;
            }
            let diff_ids = self.write(|c| {
                let layers = rows::layers(c, &row.id)?;
                rows::delete(c, &row.id)?;
                Ok(layers.into_iter().map(|(diff_id, _)| diff_id).collect::<Vec<_>>())
            })?;
            self.collect(&diff_ids)?;
        }
        Ok(())
    }

    /// Removes those of `candidates` that no image stands on and nobody holds, with their blobs.
    /// Returns what went.
    pub(crate) fn collect(&self, candidates: &[Digest]) -> Result<Vec<Digest>, ImageError> {
        let mut gone = Vec::new();
        let mut seen = HashSet::new();
        for diff_id in candidates.iter().filter(|diff_id| seen.insert(*diff_id)) {
            if self.collect_one(diff_id)? {
                gone.push(diff_id.clone());
            }
        }
        Ok(gone)
    }

    fn collect_one(&self, diff_id: &Digest) -> Result<bool, ImageError> {
        let Some(_dying) = self.holds.begin_removal(diff_id) else { return Ok(false) };
        let blobs = self.write(|c| {
            if rows::layer_uses(c, diff_id)? > 0 {
                return Ok(None);
            }
            let blobs = rows::blobs(c, diff_id)?;
            rows::delete_layer(c, diff_id)?;
            Ok(Some(blobs))
        })?;
        let Some(blobs) = blobs else { return Ok(false) };
        for blob in blobs.iter().filter(|blob| blob.is_local) {
            ignore_missing_blob(self.stores.content.delete(&blob.digest))?;
        }
        ignore_missing_layer(self.stores.snapshotter.remove_layer(diff_id))?;
        Ok(true)
    }

    /// Brings rows and disk into agreement after any kind of end.
    pub(crate) fn recover(&self) -> Result<(), ImageError> {
        self.settle_unsynced()?;
        self.forget_missing_blobs()?;
        self.mend_layers()?;
        self.remove_strangers()?;
        let before = config::now_ns().saturating_sub(PATIENCE_NS);
        let old = self.read(|c| Ok(rows::unused_layers(c, before)?))?;
        let gone = self.collect(&old)?;
        let content = &self.stores.content;
        let mut stale = content.remove_stale_ingests(INGEST_PATIENCE)?;
        // A pull's are named by the blob, so that the next pull goes on with them. Those of other
        // makers, and those of blobs that were finished in the meantime, nobody goes on with.
        stale.extend(content.remove_unresumable_ingests(|key| {
            key.parse().is_ok_and(|digest| !content.contains(&digest).unwrap_or(false))
        })?);
        if !gone.is_empty() || !stale.is_empty() {
            tracing::info!(layers = gone.len(), ingests = stale.len(), "removed unused layers");
        }
        Ok(())
    }

    /// Layers whose rows do not say that they are synced: those that stand are synced now, the
    /// others are forgotten.
    fn settle_unsynced(&self) -> Result<(), ImageError> {
        let unsynced = self.read(|c| Ok(rows::unsynced_layers(c)?))?;
        let mut standing = Vec::new();
        let mut lost = Vec::new();
        for diff_id in unsynced {
            let stands = self.stores.snapshotter.contains(&diff_id)?;
            if stands { &mut standing } else { &mut lost }.push(diff_id);
        }
        if !standing.is_empty() {
            self.stores.snapshotter.sync(&standing)?;
        }
        self.write(|c| {
            standing.iter().try_for_each(|diff_id| rows::mark_synced(c, diff_id))?;
            Ok(lost.iter().try_for_each(|diff_id| rows::delete_layer(c, diff_id))?)
        })
    }

    fn remove_strangers(&self) -> Result<(), ImageError> {
        let (layers, blobs) = self.read(|c| {
            let layers: HashSet<Digest> = rows::all_layers(c)?.into_iter().collect();
            let blobs: HashSet<Digest> = rows::local_blobs(c)?.into_iter().collect();
            Ok((layers, blobs))
        })?;
        for diff_id in self.stores.snapshotter.layers()? {
            if !layers.contains(&diff_id) {
                tracing::info!(%diff_id, "removing a layer without a row");
                ignore_missing_layer(self.stores.snapshotter.remove_layer(&diff_id))?;
            }
        }
        for digest in self.stores.content.digests()? {
            if !blobs.contains(&digest) {
                tracing::info!(%digest, "removing a blob without a row");
                ignore_missing_blob(self.stores.content.delete(&digest))?;
            }
        }
        Ok(())
    }
}

fn ignore_missing_blob(result: Result<(), content::ContentError>) -> Result<(), ImageError> {
    match result {
        Err(content::ContentError::NotFound { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn ignore_missing_layer(result: Result<(), snapshot::SnapshotError>) -> Result<(), ImageError> {
    match result {
        Err(snapshot::SnapshotError::LayerNotFound { .. }) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
