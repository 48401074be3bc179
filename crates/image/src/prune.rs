//! `image prune`.

use std::sync::Arc;

use metadata::image as rows;

use crate::{
    ImageError, ImageFilters, ImageUse, Images, Removed, config, images::Inner, remove::Deletion,
};

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names, images and layers that went.
    pub removed: Vec<Removed>,
    /// Disk space that came back: unpacked layers and blobs.
    pub reclaimed_bytes: u64,
}

impl Images {
    /// Removes images that no container uses: dangling ones, or all when the filter
    /// `dangling=false` says so; and layers that were left by pulls that never finished.
    ///
    /// # Errors
    /// [`ImageError::Filter`], and those of the stores.
    pub async fn prune(
        &self,
        filters: ImageFilters,
        usage: Arc<dyn ImageUse>,
    ) -> Result<Pruned, ImageError> {
        let images = self.clone();
        self.inner
            .blocking(move |inner| {
                let before = images.disk_usage()?;
                let removed = inner.prune(&images, filters, usage.as_ref())?;
                let after = images.disk_usage()?;
                let total = |usage: crate::DiskUsage| usage.layers_bytes + usage.blobs_bytes;
                let reclaimed_bytes = total(before).saturating_sub(total(after));
                Ok(Pruned { removed, reclaimed_bytes })
            })
            .await
    }
}

impl Inner {
    fn prune(
        &self,
        images: &Images,
        mut filters: ImageFilters,
        usage: &dyn ImageUse,
    ) -> Result<Vec<Removed>, ImageError> {
        if !filters.dangling.unwrap_or(true) {
            filters.dangling = None;
        } else {
            filters.dangling = Some(true);
        }
        let mut removed = Vec::new();
        for image in images.list(&filters)? {
            let is_parent = !self.read(|c| Ok(rows::children(c, &image.id)?))?.is_empty();
            if is_parent || !usage.containers_using(&image.id).is_empty() {
                continue;
            }
            match self.delete(&image.id, Deletion::of_prune(), usage, &mut removed) {
                // It came into use, or went, since it was listed.
                Ok(()) | Err(ImageError::Conflict { .. } | ImageError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.sweep_all(usage)?;
        Ok(removed)
    }

    fn sweep_all(&self, usage: &dyn ImageUse) -> Result<(), ImageError> {
        self.sweep_hidden(usage)?;
        let unused = self.read(|c| Ok(rows::unused_layers(c, config::now_ns())?))?;
        self.collect(&unused).map(drop)
    }
}
