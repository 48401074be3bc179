//! `image prune`.

use std::sync::Arc;

use metadata::image as rows;
use types::Reference;

use crate::{
    Image, ImageError, ImageFilters, ImageUse, Images, Removed, config, images::Inner,
    remove::Deletion,
};

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Names, images and layers that went.
    pub removed: Vec<Removed>,
    /// Disk space that came back: unpacked layers.
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
                // Of layers alone, as the room that images are said to take.
                let reclaimed_bytes = before.layers_bytes.saturating_sub(after.layers_bytes);
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
            if !usage.containers_using(&image.id).is_empty() {
                if filters.dangling.is_none() {
                    self.untag_all_but_last(&image, &mut removed)?;
                }
                continue;
            }
            if is_parent {
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

    /// An image in use keeps one name: of several the last one in order, as in Docker.
    fn untag_all_but_last(
        &self,
        image: &Image,
        removed: &mut Vec<Removed>,
    ) -> Result<(), ImageError> {
        let mut tags: Vec<String> = image.tags.iter().map(Reference::familiar).collect();
        tags.sort();
        tags.pop();
        for tag in tags {
            self.untag(&tag, &image.id, removed)?;
        }
        Ok(())
    }

    fn sweep_all(&self, usage: &dyn ImageUse) -> Result<(), ImageError> {
        self.sweep_hidden(usage)?;
        let unused = self.read(|c| Ok(rows::unused_layers(c, config::now_ns())?))?;
        self.collect(&unused).map(drop)
    }
}
