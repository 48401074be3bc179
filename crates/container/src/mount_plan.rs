//! Which mounts a container gets: the caller's over those of other containers over the image's.

use std::collections::BTreeMap;

use engine_api::Set;
use types::{Classify, ContainerId, ErrorKind, VolumeName};
use volume::NewVolume;

use crate::{
    ContainerError, Containers,
    mount_request::{self, MountRequest, RequestedSource},
    record::{MountPlan, MountSource, ReadOnlySubmounts, Record},
};

impl Containers {
    /// Everything that is to be mounted, one per destination; the caller's wins over the image's.
    pub(crate) fn mount_requests(
        &self,
        record: &Record,
        submounts_of_binds: ReadOnlySubmounts,
    ) -> Result<Vec<MountRequest>, ContainerError> {
        let host = &record.host_config;
        let mut wanted: Vec<MountRequest> = Vec::new();
        for spec in host.binds.iter().flatten() {
            let mut request = mount_request::parse_bind(spec)?;
            if let RequestedSource::Bind { submounts, .. } = &mut request.source {
                *submounts = submounts_of_binds;
            }
            add(&mut wanted, request)?;
        }
        for mount in &host.mounts {
            add(&mut wanted, mount_request::parse_mount(mount)?)?;
        }
        for (target, options) in &host.tmpfs {
            add(&mut wanted, mount_request::parse_tmpfs(target, options)?)?;
        }
        for spec in host.volumes_from.iter().flatten() {
            for request in self.mounts_from(spec)? {
                if !wanted.iter().any(|w| w.destination == request.destination) {
                    wanted.push(request);
                }
            }
        }
        for path in record.config.volumes.iter().flat_map(Set::keys) {
            let request = mount_request::parse_bind(path)?;
            if !wanted.iter().any(|w| w.destination == request.destination) {
                wanted.push(request);
            }
        }
        Ok(wanted)
    }

    /// `CONTAINER[:ro|rw]`: the mounts of another container.
    fn mounts_from(&self, spec: &str) -> Result<Vec<MountRequest>, ContainerError> {
        let (reference, mode) = spec.split_once(':').unwrap_or((spec, ""));
        if !matches!(mode, "" | "ro" | "rw" | "z" | "Z") {
            return Err(ContainerError::Invalid(format!("invalid mode for volumes-from: {mode}")));
        }
        // A wrong reference inside a request is the request's fault: 400, not 404.
        let other = match self.find(reference) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(invalid(error)),
            found => found?.record(),
        };
        let requests = other.mounts.iter().filter_map(|plan| {
            let source = match &plan.source {
                MountSource::Bind { path, propagation, is_non_recursive, submounts } => {
                    RequestedSource::Bind {
                        path: path.to_string_lossy().into_owned(),
                        propagation: propagation.clone(),
                        is_non_recursive: *is_non_recursive,
                        create: false,
                        submounts: *submounts,
                    }
                }
                MountSource::Volume { name, subpath, .. } => RequestedSource::Volume {
                    name: Some(name.clone()),
                    driver: String::new(),
                    options: BTreeMap::new(),
                    labels: BTreeMap::new(),
                    copy_up: false,
                    subpath: subpath.clone(),
                },
                MountSource::Tmpfs { .. } => return None,
            };
            Some(MountRequest {
                destination: plan.destination.clone(),
                source,
                is_read_only: plan.is_read_only || mode == "ro",
                mode: plan.mode.clone(),
            })
        });
        Ok(requests.collect())
    }

    /// Makes the volume if there is none and notes its use.
    pub(crate) fn plan_mount(
        &self,
        request: MountRequest,
        container: &ContainerId,
    ) -> Result<MountPlan, ContainerError> {
        let source = match request.source {
            RequestedSource::Bind { path, propagation, is_non_recursive, create, submounts } => {
                let path = std::path::PathBuf::from(path);
                if create {
                    crate::settings::make_dir_if_absent(&path)?;
                }
                MountSource::Bind { path, propagation, is_non_recursive, submounts }
            }
            RequestedSource::Volume { name, driver, options, labels, copy_up, subpath } => {
                let name = name.map(|n| n.parse::<VolumeName>()).transpose().map_err(invalid)?;
                let volumes = &self.inner.services.volumes;
                let (volume, is_new) =
                    volumes.create_for(container, NewVolume { name, driver, options, labels })?;
                if is_new {
                    let attributes = BTreeMap::from([("driver".to_owned(), volume.driver.clone())]);
                    self.events().publish("volume", "create", &*volume.name, attributes);
                }
                MountSource::Volume {
                    is_anonymous: volume.is_anonymous,
                    name: volume.name,
                    path: volume.mountpoint,
                    copy_up,
                    subpath,
                }
            }
            RequestedSource::Tmpfs { options } => MountSource::Tmpfs { options },
        };
        Ok(MountPlan {
            destination: request.destination,
            source,
            is_read_only: request.is_read_only,
            mode: request.mode,
        })
    }

    /// Removes the volumes that were made for this container alone.
    pub(crate) fn remove_anonymous_volumes(&self, record: &Record) -> Result<(), ContainerError> {
        for plan in &record.mounts {
            if let MountSource::Volume { name, is_anonymous: true, .. } = &plan.source {
                match self.inner.services.volumes.remove(name) {
                    Ok(()) => {
                        let attributes = BTreeMap::from([("driver".into(), "local".into())]);
                        self.events().publish("volume", "destroy", name.as_str(), attributes);
                    }
                    // Shared with another container by --volumes-from, or gone already.
                    Err(volume::VolumeError::InUse { .. } | volume::VolumeError::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

fn invalid(error: impl std::fmt::Display) -> ContainerError {
    ContainerError::Invalid(error.to_string())
}

fn add(wanted: &mut Vec<MountRequest>, request: MountRequest) -> Result<(), ContainerError> {
    if wanted.iter().any(|w| w.destination == request.destination) {
        return Err(ContainerError::Invalid(format!(
            "Duplicate mount point: {}",
            request.destination
        )));
    }
    wanted.push(request);
    Ok(())
}
