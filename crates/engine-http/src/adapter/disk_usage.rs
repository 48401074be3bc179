//! `/system/df`: what images, containers and volumes take, in sums with their items; the edge
//! makes the lists of older versions from them.

use std::collections::BTreeMap;

use engine_api::{
    container::ContainerSummary,
    disk_usage::{BuildCacheUsage, ContainersUsage, DiskUsage, ImagesUsage, VolumesUsage},
    image::ImageSummary,
    volume::Volume,
};
use types::Digest;

use super::Engine;
use crate::{
    Answer,
    backend::{container::ListContainers, image::ListImages, system::DiskUsageQuery},
};

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

impl Engine {
    pub(super) fn measure(&self, query: DiskUsageQuery) -> Answer<DiskUsage> {
        let mut usage = DiskUsage::default();
        if query.containers {
            let options = ListContainers { all: true, size: true, ..ListContainers::default() };
            usage.container_usage = Some(containers(self.summaries(&options)?));
        }
        if query.images {
            usage.image_usage = Some(self.measure_images()?);
        }
        if query.volumes {
            usage.volume_usage = Some(volumes(self.volumes_with_usage()?));
        }
        if query.build_cache {
            usage.build_cache_usage = Some(BuildCacheUsage::default());
        }
        if !query.verbose {
            forget_items(&mut usage);
        }
        Ok(usage)
    }

    fn measure_images(&self) -> Answer<ImagesUsage> {
        let mut items = self.image_summaries(&ListImages { all: true, ..ListImages::default() })?;
        self.share(&mut items)?;
        let bytes = self.images.disk_usage()?.layers_bytes;
        Ok(images(items, i64::try_from(bytes).unwrap_or(i64::MAX)))
    }

    /// Fills in how much of each image's layers other images have too.
    fn share(&self, items: &mut [ImageSummary]) -> Answer<()> {
        let all = self.images.list(&::image::ImageFilters::default())?;
        let mut holders: BTreeMap<&Digest, usize> = BTreeMap::new();
        for layer in all.iter().flat_map(|image| &image.diff_ids) {
            *holders.entry(layer).or_default() += 1;
        }
        for image in &all {
            let sized = image.diff_ids.iter().zip(&image.layer_sizes);
            let shared: u64 =
                sized.filter(|(layer, _)| holders[layer] > 1).map(|(_, bytes)| bytes).sum();
            let id = image.id.to_string();
            if let Some(item) = items.iter_mut().find(|item| item.id == id) {
                item.shared_size = i64::try_from(shared).unwrap_or(i64::MAX);
            }
        }
        Ok(())
    }
}

/// What no container uses could go, but for the layers that an image in use has too.
fn images(items: Vec<ImageSummary>, total_size: i64) -> ImagesUsage {
    let used = items.iter().filter(|item| item.containers > 0);
    let own = used.clone().map(|item| item.size - item.shared_size.max(0)).sum::<i64>();
    ImagesUsage {
        active_count: count(used.count()),
        reclaimable: total_size - own,
        total_count: count(items.len()),
        total_size,
        items,
    }
}

fn containers(items: Vec<ContainerSummary>) -> ContainersUsage {
    let is_active = |item: &&ContainerSummary| {
        matches!(item.state.as_str(), "running" | "paused" | "restarting")
    };
    let size = |item: &ContainerSummary| item.size_rw.unwrap_or_default();
    ContainersUsage {
        active_count: count(items.iter().filter(is_active).count()),
        reclaimable: items.iter().filter(|item| !is_active(item)).map(size).sum(),
        total_count: count(items.len()),
        total_size: items.iter().map(size).sum(),
        items,
    }
}

fn volumes(items: Vec<Volume>) -> VolumesUsage {
    let size = |item: &Volume| item.usage_data.as_ref().map_or(0, |usage| usage.size.max(0));
    let is_active =
        |item: &&Volume| item.usage_data.as_ref().is_some_and(|usage| usage.ref_count > 0);
    VolumesUsage {
        active_count: count(items.iter().filter(is_active).count()),
        reclaimable: items.iter().filter(|item| !is_active(item)).map(size).sum(),
        total_count: count(items.len()),
        total_size: items.iter().map(size).sum(),
        items,
    }
}

fn forget_items(usage: &mut DiskUsage) {
    if let Some(images) = &mut usage.image_usage {
        images.items.clear();
    }
    if let Some(containers) = &mut usage.container_usage {
        containers.items.clear();
    }
    if let Some(volumes) = &mut usage.volume_usage {
        volumes.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_cannot_be_reclaimed() {
        let image = |containers, size, shared_size| ImageSummary {
            containers,
            size,
            shared_size,
            ..ImageSummary::default()
        };
        let usage = images(vec![image(1, 10, 4), image(0, 7, 4)], 13);
        assert_eq!((usage.active_count, usage.total_count), (1, 2));
        assert_eq!((usage.reclaimable, usage.total_size), (7, 13));
        let container = |state: &str, size| ContainerSummary {
            state: state.to_owned(),
            size_rw: Some(size),
            ..ContainerSummary::default()
        };
        let usage = containers(vec![container("running", 3), container("exited", 5)]);
        assert_eq!((usage.active_count, usage.reclaimable, usage.total_size), (1, 5, 8));
    }
}
