//! Creation: one document in, one row out.

use std::collections::BTreeMap;

use engine_api::{
    container::{ContainerConfig, ContainerCreateRequest},
    host_config::HostConfig,
};
use image::Image;
use types::{ContainerId, ContainerName};

use crate::{
    ContainerError, Containers,
    clock::now_nanos,
    containers::snapshot_key,
    generated_name, health,
    merged_config::{command, merged_config},
    mount_request::MountRequest,
    network_mode::NetworkMode,
    record::{ReadOnlySubmounts, Record},
    settings::NATIVE_RUNTIME,
    spec::{capability, device, resource, security},
};

/// What a container is made of.
#[derive(Debug, Clone)]
pub struct NewContainer {
    /// Its name; `None` draws one.
    pub name: Option<ContainerName>,
    /// Only an image for this platform will do.
    pub platform: Option<oci::image::Platform>,
    /// How mounts below read-only binds of `HostConfig.Binds` are treated.
    pub submounts_of_binds: ReadOnlySubmounts,
    /// The caller's document.
    pub request: ContainerCreateRequest,
}

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
    pub async fn create(&self, new: NewContainer) -> Result<Created, ContainerError> {
        let service = self.clone();
        // Directories are made and volumes looked up: not work for an async thread.
        tokio::task::spawn_blocking(move || service.create_blocking(new))
            .await
            .map_err(|error| ContainerError::Conflict(format!("creation was cut short: {error}")))?
    }

    fn create_blocking(&self, new: NewContainer) -> Result<Created, ContainerError> {
        let NewContainer { name, platform, submounts_of_binds, request } = new;
        if request.config == ContainerConfig::default() {
            return Err(ContainerError::Invalid(
                "config cannot be empty in order to create a container".into(),
            ));
        }
        if request.config.image.is_empty() {
            return Err(ContainerError::Invalid("no image was specified".into()));
        }
        if let Some(name) = &name
            && let Some(holder) = self.holder_of(name)
        {
            let (name, holder) = (name.to_string(), holder.to_string());
            return Err(ContainerError::NameTaken { name, holder });
        }
        let mut warnings = Vec::new();
        // Before the image is looked for: a client pulls a missing one, in vain if this fails.
        let host = self.host_config(request.host_config.unwrap_or_default(), &mut warnings)?;
        // Held until the row names it: a removal at the same time then finds it in use.
        let (image, _hold) = self.inner.services.images.resolve_held(&request.config.image)?;
        warnings.extend(check_platform(&image, &request.config.image, platform.as_ref())?);
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
            links: Vec::new(),
            mounts: Vec::new(),
            command,
            config,
            host_config: host,
            id,
        };
        health::Check::parse(&record.config)?;
        health::Reaction::parse(&record)?;
        warnings.extend(record.config.healthcheck.as_ref().and_then(health::unknown_test));
        self.check_network(&record)?;
        record.links = self.links(&record)?;
        if !record.links.is_empty() {
            warnings.push("Links on the default bridge network are deprecated and will be removed in a future release. Use a custom network instead.".to_owned());
        }
        let requests = self.mount_requests(&record, submounts_of_binds)?;
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
        let limits = &mut host.resources;
        if limits.memory > 0 && limits.memory_swap == 0 {
            limits.memory_swap = limits.memory.saturating_mul(2);
        }
        limits.oom_kill_disable.get_or_insert(false);
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
        self.name_shared_by_id(&mut host);
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
        if host.annotations.contains_key("") {
            return Err(ContainerError::Invalid(
                "invalid Annotations: the empty string is not permitted as an annotation key"
                    .into(),
            ));
        }
        if host.runtime != NATIVE_RUNTIME && !settings.runtimes.contains_key(&host.runtime) {
            return Err(ContainerError::Invalid(format!(
                "unknown or invalid runtime name: {}",
                host.runtime
            )));
        }
        crate::namespace_mode::check(host)?;
        self.check_shared(host)?;
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
}

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
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

/// Refuses an image for another platform than the one that was asked for; warns of one for
/// another than the host's when none was.
fn check_platform(
    image: &Image,
    name: &str,
    wanted: Option<&oci::image::Platform>,
) -> Result<Option<String>, ContainerError> {
    let host = oci::image::Platform::host();
    if image.runs_on(wanted.unwrap_or(&host)) {
        return Ok(None);
    }
    match wanted {
        Some(wanted) => Err(image.wrong_platform(name, wanted).into()),
        None => Ok(Some(format!(
            "The requested image's platform ({}) does not match the detected host platform ({}) and no specific platform was requested",
            image.platform_text(),
            format_args!("{}/{}", host.os, host.architecture),
        ))),
    }
}
