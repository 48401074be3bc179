//! `/volumes` over the volume service.

use std::collections::BTreeMap;

use ::volume::{NewVolume, Volume as Stored};
use async_trait::async_trait;
use engine_api::volume::{Volume, VolumeCreateRequest, VolumeList, VolumePruneReport, VolumeUsage};
use types::VolumeName;

use super::{Engine, blocking};
use crate::{
    Answer, ApiError, Filters,
    backend::{VolumeBackend, volume::Force},
};

pub(super) fn document(volume: Stored) -> Volume {
    Volume {
        created_at: ::container::clock::rfc3339(
            volume.created_nanos - volume.created_nanos.rem_euclid(1_000_000_000),
        ),
        driver: volume.driver,
        labels: Some(volume.labels).filter(|labels| !labels.is_empty()),
        mountpoint: volume.mountpoint.to_string_lossy().into_owned(),
        name: volume.name,
        options: Some(volume.options).filter(|options| !options.is_empty()),
        scope: "local".to_owned(),
        ..Volume::default()
    }
}

impl Engine {
    fn admitted_volumes(&self, filters: &Filters) -> Answer<Vec<Stored>> {
        filters.allow_only(&["dangling", "driver", "label", "label!", "name"])?;
        let dangling = filters.flag("dangling")?;
        let names = filters.get("name");
        let mut admitted = Vec::new();
        for volume in self.volumes.list()? {
            let is_named =
                names.is_empty() || names.iter().any(|n| volume.name.contains(n.as_str()));
            let is_admitted = is_named
                && filters.admits("driver", &volume.driver)
                && filters.admits_labels("label", &volume.labels);
            let is_unused = match dangling {
                Some(_) => self.volumes.users(&volume.name)?.is_empty(),
                None => false,
            };
            if is_admitted && dangling.is_none_or(|wanted| wanted == is_unused) {
                admitted.push(volume);
            }
        }
        Ok(admitted)
    }

    /// Volumes with their sizes and numbers of users, for `system df`.
    pub(super) fn volumes_with_usage(&self) -> Answer<Vec<Volume>> {
        let mut found = Vec::new();
        for volume in self.volumes.list()? {
            let usage = VolumeUsage {
                ref_count: i64::try_from(self.volumes.users(&volume.name)?.len()).unwrap_or(0),
                size: i64::try_from(self.volumes.usage_bytes(&volume.name)).unwrap_or(i64::MAX),
            };
            found.push(Volume { usage_data: Some(usage), ..document(volume) });
        }
        Ok(found)
    }
}

#[async_trait]
impl VolumeBackend for Engine {
    async fn list(&self, filters: Filters) -> Answer<VolumeList> {
        let engine = self.clone();
        let volumes = blocking(move || engine.admitted_volumes(&filters)).await?;
        Ok(VolumeList { volumes: volumes.into_iter().map(document).collect(), warnings: None })
    }

    async fn create(&self, request: VolumeCreateRequest) -> Answer<Volume> {
        if request.cluster_volume_spec.is_some() {
            return Err(ApiError::not_implemented("a cluster volume"));
        }
        let name = Some(request.name).filter(|name| !name.is_empty());
        let name = name
            .map(|name| name.parse::<VolumeName>())
            .transpose()
            .map_err(|error| ApiError::invalid(error.to_string()))?;
        let wanted = NewVolume {
            name,
            driver: request.driver,
            options: request.driver_opts,
            labels: request.labels,
        };
        let volumes = self.volumes.clone();
        let (volume, is_new) = blocking(move || volumes.create(wanted)).await?;
        if is_new {
            let attributes = BTreeMap::from([("driver".to_owned(), volume.driver.clone())]);
            self.containers.events().publish("volume", "create", &*volume.name, attributes);
        }
        Ok(document(volume))
    }

    async fn inspect(&self, name: &str) -> Answer<Volume> {
        Ok(document(self.volumes.get(name)?))
    }

    async fn remove(&self, name: &str, force: Force) -> Answer<()> {
        let (volumes, owned) = (self.volumes.clone(), name.to_owned());
        match blocking(move || volumes.remove(&owned)).await {
            Ok(()) => {
                let attributes = BTreeMap::from([("driver".to_owned(), "local".to_owned())]);
                self.containers.events().publish("volume", "destroy", name, attributes);
                Ok(())
            }
            Err(error) if force == Force::Yes && error.status == http::StatusCode::NOT_FOUND => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn prune(&self, filters: Filters) -> Answer<VolumePruneReport> {
        filters.allow_only(&["all", "label", "label!"])?;
        // Since API 1.42 only anonymous volumes go unless all are asked for.
        let all = filters.flag("all")?.unwrap_or(false);
        let volumes = self.volumes.clone();
        let pruned = blocking(move || {
            volumes.prune(|volume| {
                (all || volume.is_anonymous)
                    && filters.admits_labels("label", &volume.labels)
                    && (!filters.contains("label!")
                        || !filters.admits_labels("label!", &volume.labels))
            })
        })
        .await?;
        let attributes =
            BTreeMap::from([("reclaimed".to_owned(), pruned.reclaimed_bytes.to_string())]);
        self.containers.events().publish("volume", "prune", "", attributes);
        Ok(VolumePruneReport {
            volumes_deleted: Some(pruned.removed),
            space_reclaimed: pruned.reclaimed_bytes,
        })
    }
}
