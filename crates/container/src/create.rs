//! Creation: one document in, one row out.

use std::collections::BTreeMap;

use engine_api::{
    Set,
    container::{ContainerConfig, ContainerCreateRequest},
    health::HealthConfig,
    host_config::HostConfig,
};
use image::Image;
use types::{ContainerId, ContainerName, VolumeName};
use volume::NewVolume;

use crate::{
    ContainerError, Containers,
    clock::now_nanos,
    containers::snapshot_key,
    generated_name, health,
    mount_request::{self, MountRequest, RequestedSource},
    network_mode::NetworkMode,
    record::{MountPlan, MountSource, Record},
    settings::NATIVE_RUNTIME,
    spec::{capability, device, resource, security},
};

/// A container that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: ContainerId,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// How often a generated name may be taken before the engine gives up.
const NAME_ATTEMPTS: u32 = 100;

impl Containers {
    /// Makes a container. Nothing is started.
    ///
    /// # Errors
    /// [`ContainerError::Image`] when the image is not here, [`ContainerError::Invalid`] names an
    /// option that cannot be met, [`ContainerError::NameTaken`].
    pub async fn create(
        &self,
        name: Option<ContainerName>,
        request: ContainerCreateRequest,
    ) -> Result<Created, ContainerError> {
        let service = self.clone();
        // Directories are made and volumes looked up: not work for an async thread.
        tokio::task::spawn_blocking(move || service.create_blocking(name, request))
            .await
            .map_err(|error| ContainerError::Conflict(format!("creation was cut short: {error}")))?
    }

    fn create_blocking(
        &self,
        name: Option<ContainerName>,
        request: ContainerCreateRequest,
    ) -> Result<Created, ContainerError> {
        if request.config.image.is_empty() {
            return Err(ContainerError::Invalid("no image was specified".into()));
        }
        if let Some(name) = &name
            && let Some(holder) = self.holder_of(name)
        {
            let (name, holder) = (name.to_string(), holder.to_string());
            return Err(ContainerError::NameTaken { name, holder });
        }
        // Held until the row names it: a removal at the same time then finds it in use.
        let (image, _hold) = self.inner.services.images.resolve_held(&request.config.image)?;
        let mut warnings = Vec::new();
        let host = self.host_config(request.host_config.unwrap_or_default(), &mut warnings)?;
        let id = ContainerId::random();
        let config = merged_config(request.config, &image, &id, &host)?;
        let command = command(&config)?;
        let mut record = Record {
            name: name.clone().unwrap_or_else(|| generated_name::generate(0)),
            created_nanos: now_nanos(),
            image: image.id.clone(),
            image_name: config.image.clone(),
            layers: image.diff_ids.clone(),
            platform: "linux".to_owned(),
            endpoints: request
                .networking_config
                .and_then(|networking| networking.endpoints_config)
                .unwrap_or_default(),
            mounts: Vec::new(),
            command,
            config,
            host_config: host,
            id,
        };
        health::Check::parse(&record.config)?;
        warnings.extend(record.config.healthcheck.as_ref().and_then(health::unknown_test));
        self.check_network(&record)?;
        let requests = self.mount_requests(&record)?;
        let made = self.make(&mut record, requests, name.is_none());
        if let Err(error) = made {
            self.undo_creation(&record);
            return Err(error);
        }
        Ok(Created { id: record.id, warnings })
    }

    /// The steps that leave something behind when a later one fails.
    fn make(
        &self,
        record: &mut Record,
        requests: Vec<MountRequest>,
        is_name_generated: bool,
    ) -> Result<(), ContainerError> {
        for request in requests {
            let plan = self.plan_mount(request, &record.id)?;
            record.mounts.push(plan);
        }
        self.inner.services.snapshots.create(&snapshot_key(&record.id), &record.layers)?;
        crate::settings::make_dir(&self.data_dir(&record.id), 0o710)?;
        for attempt in 1.. {
            match self.insert(record.clone()) {
                Ok(container) => {
                    self.publish(&container, "create", BTreeMap::new());
                    return Ok(());
                }
                Err(ContainerError::NameTaken { .. })
                    if is_name_generated && attempt < NAME_ATTEMPTS =>
                {
                    record.name = generated_name::generate(attempt);
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the loop ends by a return")
    }

    fn undo_creation(&self, record: &Record) {
        let failures = [
            self.inner.services.volumes.release(&record.id).err().map(ContainerError::from),
            self.remove_anonymous_volumes(record).err(),
            self.inner.services.snapshots.remove(&snapshot_key(&record.id)).err().map(Into::into),
            remove_dir(&self.data_dir(&record.id)).err(),
        ];
        for error in failures.into_iter().flatten() {
            let text = types::error::chain(&error);
            tracing::warn!(container.id = %record.id, error = %text, "cannot undo creation");
        }
    }

    /// Fills in defaults and refuses what cannot be met at start.
    fn host_config(
        &self,
        mut host: HostConfig,
        warnings: &mut Vec<String>,
    ) -> Result<HostConfig, ContainerError> {
        let settings = &self.inner.settings;
        if host.network_mode.is_empty() {
            host.network_mode = "bridge".to_owned();
        }
        crate::log_config::merge_defaults(&mut host.log_config, &settings.log);
        if host.runtime.is_empty() {
            host.runtime.clone_from(&settings.default_runtime);
        }
        if host.shm_size == 0 {
            host.shm_size =
                if settings.shm_size_bytes > 0 { settings.shm_size_bytes } else { 64 << 20 };
        }
        if host.ipc_mode.is_empty() {
            host.ipc_mode = "private".to_owned();
        }
        if host.cgroupns_mode.is_empty() {
            host.cgroupns_mode =
                if crate::cgroup_mode::is_v2_only() { "private" } else { "host" }.to_owned();
        }
        if host.restart_policy.name.is_empty() {
            host.restart_policy.name = "no".to_owned();
        }
        if host.init.is_none() && settings.has_init {
            host.init = Some(true);
        }
        if !host.privileged {
            host.masked_paths.get_or_insert_with(|| owned(security::MASKED_PATHS));
            host.readonly_paths.get_or_insert_with(|| owned(security::READONLY_PATHS));
        }
        self.check_host_config(&host, warnings)?;
        Ok(host)
    }

    fn check_host_config(
        &self,
        host: &HostConfig,
        warnings: &mut Vec<String>,
    ) -> Result<(), ContainerError> {
        let settings = &self.inner.settings;
        resource::check(&host.resources)?;
        let add = host.cap_add.as_deref().unwrap_or_default();
        let drop = host.cap_drop.as_deref().unwrap_or_default();
        capability::effective(add, drop, host.privileged)?;
        device::plan(host)?;
        security::Options::parse(host.security_opt.as_deref().unwrap_or_default())?;
        crate::log_config::LogConfigPlan::parse(&host.log_config)?;
        crate::restart::Policy::parse(&host.restart_policy, host.auto_remove)?;
        if host.runtime != NATIVE_RUNTIME && !settings.runtimes.contains_key(&host.runtime) {
            return Err(ContainerError::Invalid(format!(
                "unknown or invalid runtime name: {}",
                host.runtime
            )));
        }
        crate::namespace_mode::check(host)?;
        if host.shm_size < 0 {
            return Err(ContainerError::Invalid("SHM size can not be less than 0".into()));
        }
        if host.resources.oom_kill_disable == Some(true) && host.resources.memory == 0 {
            warnings.push(
                "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.".to_owned(),
            );
        }
        Ok(())
    }

    fn check_network(&self, record: &Record) -> Result<(), ContainerError> {
        match NetworkMode::parse(&record.host_config.network_mode) {
            NetworkMode::Named(name) => {
                self.inner.services.networks.get(&name)?;
            }
            NetworkMode::Container(other) => {
                let other = self.find(&other)?;
                if other.id == record.id {
                    return Err(ContainerError::Invalid(
                        "cannot join own network namespace".into(),
                    ));
                }
            }
            NetworkMode::Host | NetworkMode::None => {}
        }
        crate::port_request::parse(record)?;
        crate::host_files::extra_hosts(record)?;
        Ok(())
    }

    /// Everything that is to be mounted, one per destination; the caller's wins over the image's.
    fn mount_requests(&self, record: &Record) -> Result<Vec<MountRequest>, ContainerError> {
        let host = &record.host_config;
        let mut wanted: Vec<MountRequest> = Vec::new();
        for spec in host.binds.iter().flatten() {
            add(&mut wanted, mount_request::parse_bind(spec)?)?;
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
        let other = self.find(reference)?.record();
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
    fn plan_mount(
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

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
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

pub(crate) fn remove_dir(path: &std::path::Path) -> Result<(), ContainerError> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => {
            Err(ContainerError::File { action: "remove", path: path.to_owned(), source })
        }
    }
}

/// The caller's configuration over the image's, by the rules of Docker's `merge`.
fn merged_config(
    mut config: ContainerConfig,
    image: &Image,
    id: &ContainerId,
    host: &HostConfig,
) -> Result<ContainerConfig, ContainerError> {
    let defaults = image.config.config.clone().unwrap_or_default();
    if config.user.is_empty() {
        config.user = defaults.user.unwrap_or_default();
    }
    for port in defaults.exposed_ports.unwrap_or_default().into_keys() {
        config.exposed_ports.entry(port).or_default();
    }
    let own = config.env.get_or_insert_default();
    for entry in defaults.env.unwrap_or_default() {
        let name = entry.split('=').next().unwrap_or_default().to_owned();
        if !own.iter().any(|e| e.split('=').next() == Some(name.as_str())) {
            own.push(entry);
        }
    }
    for (key, value) in defaults.labels.unwrap_or_default() {
        config.labels.entry(key).or_insert(value);
    }
    // An entrypoint of the caller's makes the image's command meaningless.
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd = defaults.cmd;
        }
        if config.entrypoint.is_none() {
            config.entrypoint = defaults.entrypoint;
        }
    }
    // `--entrypoint ""` sends one empty string to say: none.
    if config.entrypoint.as_deref() == Some(&[String::new()]) {
        config.entrypoint = None;
    }
    if config.working_dir.is_empty() {
        config.working_dir = defaults.working_dir.unwrap_or_default();
    }
    if !config.working_dir.is_empty() {
        if !config.working_dir.starts_with('/') {
            return Err(ContainerError::Invalid(format!(
                "the working directory '{}' is invalid, it needs to be an absolute path",
                config.working_dir
            )));
        }
        config.working_dir = mount_request::clean(&config.working_dir)?;
    }
    if config.stop_signal.is_empty() {
        config.stop_signal = defaults.stop_signal.unwrap_or_default();
    }
    crate::signal::parse_or_default(&config.stop_signal)?;
    config.healthcheck = health::merge(config.healthcheck, image_health(defaults.healthcheck)?);
    let volumes = config.volumes.get_or_insert_default();
    for path in defaults.volumes.unwrap_or_default().into_keys() {
        volumes.entry(path).or_default();
    }
    if config.volumes.as_ref().is_some_and(Set::is_empty) {
        config.volumes = None;
    }
    if config.hostname.is_empty() {
        config.hostname = default_hostname(id, host);
    }
    check_env(config.env.as_deref().unwrap_or_default())?;
    Ok(config)
}

/// The image's health check. One that cannot be read is the image's mistake, which is told.
fn image_health(
    document: Option<serde_json::Value>,
) -> Result<Option<HealthConfig>, ContainerError> {
    document
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| ContainerError::Invalid(format!("the image's health check: {error}")))
}

fn default_hostname(id: &ContainerId, host: &HostConfig) -> String {
    if host.uts_mode == "host" || host.network_mode == "host" {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        return name;
    }
    id.short().to_owned()
}

fn check_env(env: &[String]) -> Result<(), ContainerError> {
    for entry in env {
        if entry.is_empty() || entry.starts_with('=') {
            return Err(ContainerError::Invalid(format!("invalid environment variable: {entry}")));
        }
    }
    Ok(())
}

fn command(config: &ContainerConfig) -> Result<Vec<String>, ContainerError> {
    let parts = [config.entrypoint.as_deref(), config.cmd.as_deref()];
    let command: Vec<String> = parts.into_iter().flatten().flat_map(<[String]>::to_vec).collect();
    if command.first().is_none_or(String::is_empty) {
        return Err(ContainerError::Invalid("no command specified".into()));
    }
    Ok(command)
}
