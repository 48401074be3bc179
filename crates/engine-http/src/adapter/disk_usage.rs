//! `/system/df`: what images, containers and volumes take. A layer that several images have is
//! counted once in the sum, and as shared in each of them.

use std::collections::{BTreeMap, BTreeSet};

use engine_api::{
    container::ContainerSummary,
    disk_usage::{BuildCacheUsage, ContainersUsage, DiskUsage, ImagesUsage, VolumesUsage},
    image::ImageSummary,
    volume::{Volume, VolumeUsage},
};
use types::Digest;

use super::Engine;
use crate::{
    Answer,
    backend::{container::ListContainers, image::ListImages, system::DiskUsageQuery},
};

/// Layers by diff id and their length in bytes.
type Layers = BTreeMap<Digest, u64>;

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Engine {
    /// Measures the kinds that are asked for.
    pub(super) fn measure(&self, query: DiskUsageQuery) -> Answer<DiskUsage> {
        let mut usage = DiskUsage::default();
        if query.containers {
            let options = ListContainers { all: true, size: true, ..ListContainers::default() };
            let items = self.summaries(&options)?;
            usage.container_usage = Some(containers(items, |id| self.containers.log_bytes(id)));
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
        Ok(usage)
    }

    fn measure_images(&self) -> Answer<ImagesUsage> {
        let options = ListImages { all: true, ..ListImages::default() };
        let mut items = self.image_summaries(&options)?;
        let layers = self.images.disk_usage()?.layers;
        let own: BTreeMap<String, Vec<Digest>> = self
            .images
            .list(&::image::ImageFilters::default())?
            .into_iter()
            .map(|image| (image.id.to_string(), image.diff_ids.clone()))
            .collect();
        Ok(images(&mut items, &own, &layers))
    }
}

/// `own` has the layers of each image by its id.
fn images(
    items: &mut Vec<ImageSummary>,
    own: &BTreeMap<String, Vec<Digest>>,
    layers: &Layers,
) -> ImagesUsage {
    let mut users: BTreeMap<&Digest, usize> = BTreeMap::new();
    for diff_ids in own.values() {
        for diff_id in diff_ids.iter().collect::<BTreeSet<_>>() {
            *users.entry(diff_id).or_default() += 1;
        }
    }
    let mut in_use = BTreeSet::new();
    for item in items.iter_mut() {
        let distinct: BTreeSet<&Digest> = own.get(&item.id).into_iter().flatten().collect();
        let shared = distinct.iter().filter(|id| users.get(*id).is_some_and(|count| *count > 1));
        item.shared_size = signed(shared.filter_map(|id| layers.get(*id)).sum());
        if item.containers > 0 {
            in_use.extend(distinct);
        }
    }
    let total: u64 = layers.values().sum();
    let kept: u64 = in_use.iter().filter_map(|id| layers.get(*id)).sum();
    ImagesUsage {
        active_count: count(items.iter().filter(|item| item.containers > 0).count()),
        reclaimable: signed(total.saturating_sub(kept)),
        total_count: count(items.len()),
        total_size: signed(total),
        items: std::mem::take(items),
    }
}

/// What containers have written, to their layers and to their logs.
fn containers(items: Vec<ContainerSummary>, log_bytes: impl Fn(&str) -> u64) -> ContainersUsage {
    let is_active = |item: &&ContainerSummary| {
        ["running", "paused", "restarting"].contains(&item.state.as_str())
    };
    let size = |item: &ContainerSummary| item.size_rw.unwrap_or(0) + signed(log_bytes(&item.id));
    ContainersUsage {
        active_count: count(items.iter().filter(is_active).count()),
        reclaimable: items.iter().filter(|item| !is_active(item)).map(size).sum(),
        total_count: count(items.len()),
        total_size: items.iter().map(size).sum(),
        items,
    }
}

fn volumes(items: Vec<Volume>) -> VolumesUsage {
    let known = || items.iter().filter_map(|item| item.usage_data.as_ref());
    let size = |usage: &VolumeUsage| usage.size.max(0);
    VolumesUsage {
        active_count: count(known().filter(|usage| usage.ref_count > 0).count()),
        reclaimable: known().filter(|usage| usage.ref_count == 0).map(size).sum(),
        total_count: count(items.len()),
        total_size: known().map(size).sum(),
        items,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_counted_with_their_logs() {
        let item = |id: &str, state: &str| ContainerSummary {
            id: id.to_owned(),
            state: state.to_owned(),
            size_rw: Some(10),
            ..ContainerSummary::default()
        };
        let usage = containers(vec![item("a", "running"), item("b", "exited")], |id| {
            if id == "b" { 5 } else { 7 }
        });
        assert_eq!((usage.total_size, usage.reclaimable, usage.active_count), (32, 15, 1));
    }

    #[test]
    fn a_shared_layer_is_counted_once_and_kept_by_its_user() {
        let [a, b, c] = [1, 2, 3].map(|n| Digest::from_sha256(&[n; 32]));
        let image = |id: &str, containers| ImageSummary {
            id: id.to_owned(),
            containers,
            ..ImageSummary::default()
        };
        let mut items = vec![image("used", 1), image("idle", 0)];
        let own = BTreeMap::from([
            ("used".to_owned(), vec![a.clone(), b.clone()]),
            ("idle".to_owned(), vec![a.clone(), c.clone()]),
        ]);
        let usage = images(&mut items, &own, &BTreeMap::from([(a, 100), (b, 10), (c, 1)]));
        assert_eq!((usage.total_size, usage.reclaimable, usage.active_count), (111, 1, 1));
        assert_eq!(usage.items.iter().map(|i| i.shared_size).collect::<Vec<_>>(), [100, 100]);
    }
}
