//! Starting: network, files and supervisor side by side, then one message.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use network::{ConnectRequest, Endpoint};
use oci::runtime::{Process, Spec, User};
use shim_client::{Attachment, Events, Shim, ShimError, ShimEvent};
use shim_protocol::{ExternalRuntime, StartRequest};

use crate::{
    ContainerError, Containers,
    account::Accounts,
    account_cache::AccountCache,
    clock::now_nanos,
    container::Container,
    containers::snapshot_key,
    files::running_root,
    host_files,
    host_mount::Subpaths,
    log_config::{LogConfigPlan, LogPlace},
    network_mode::NetworkMode,
    phase::Stopwatch,
    record::Record,
    settings::NATIVE_RUNTIME,
    shared_memory::SharedMemory,
    spec::{self, HostFiles, Inputs, NamespacePlan, Origin, security::SeccompChoice},
    start_failure::{CREATE_FAILED, shim_error},
    state::{Phase, Transition},
    volume_copy,
};

/// How long a container may take to end when its start is undone.
const UNDO_DEADLINE: Duration = Duration::from_secs(10);

/// Who wants a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartCause {
    /// Somebody asked for it: what happened before is forgotten, and a failure is theirs to handle.
    Caller,
    /// The restart policy.
    Policy,
}

/// How long the last run's supervisor may take to let go of its mounts: as long as a disk needs.
const DEPARTURE_DEADLINE: Duration = Duration::from_secs(30);

/// The network of a container that is being started.
#[derive(Default)]
struct Network {
    /// Namespace to join; none: the host's.
    namespace: Option<OwnedFd>,
    endpoint: Option<Endpoint>,
}

/// A container that runs.
struct Launched {
    pid: i32,
    shim: Shim,
    events: Events,
    endpoint: Option<Endpoint>,
}

impl Containers {
    /// Starts a container.
    ///
    /// # Errors
    /// [`ContainerError::NotModified`] when it runs, [`ContainerError::Conflict`] when it is paused
    /// or being removed, [`ContainerError::StartFailed`] with the exit code it got, and those of
    /// the services below.
    pub async fn start(&self, reference: &str) -> Result<(), ContainerError> {
        let container = self.find(reference)?;
        let outcome = {
            let _operation = container.lock().await;
            if container.state().phase == Phase::Restarting {
                // It will run, which is what is asked for.
                return Err(ContainerError::NotModified);
            }
            self.start_locked(&container, StartCause::Caller).await
        };
        let has_failed = !matches!(outcome, Ok(()) | Err(ContainerError::NotModified));
        if has_failed && container.record().host_config.auto_remove {
            // Clients wait for the removal of what they ran with --rm, started or not.
            self.auto_remove(&container).await?;
        }
        outcome
    }

    /// Starts under the container's lock.
    pub(crate) async fn start_locked(
        &self,
        container: &Arc<Container>,
        cause: StartCause,
    ) -> Result<(), ContainerError> {
        check_startable(container)?;
        let began = Instant::now();
        let launched = match self.launch(container).await {
            Ok(launched) => launched,
            Err(error) => {
                self.note_failed_start(container, &error, cause);
                return Err(error);
            }
        };
        let pid = launched.pid;
        let mut watch = Stopwatch::start(&container.id);
        if let Err(error) = self.note_start(container, pid, cause) {
            // What cannot be written down must not run: nobody would know of it after a crash.
            self.undo_launch(container, launched).await;
            self.note_failed_start(container, &error, cause);
            return Err(error);
        }
        watch.lap("start: row");
        self.adopt_launch(container, launched);
        tracing::debug!(container.id = %container.id, pid, elapsed = ?began.elapsed(), "started");
        Ok(())
    }

    fn note_start(
        &self,
        container: &Container,
        pid: i32,
        cause: StartCause,
    ) -> Result<(), ContainerError> {
        let started = Transition::Started { pid, at_nanos: now_nanos() };
        let check = self.check(container);
        self.change_state(container, |state| {
            if cause == StartCause::Caller {
                state.forget_restarts();
            }
            state.apply(started)?;
            state.restart_health(check.as_ref());
            Ok(())
        })
    }

    fn adopt_launch(&self, container: &Arc<Container>, launched: Launched) {
        let late = {
            let mut live = container.live();
            live.shim = Some(launched.shim.clone());
            live.endpoint = launched.endpoint;
            live.execs.clear();
            std::mem::take(&mut live.pending)
        };
        self.publish_arrival(container);
        self.tell_linking(container);
        self.publish(container, "start", BTreeMap::new());
        container.announce(false);
        self.supervise(container, launched.events);
        self.monitor_health(container);
        if !late.is_empty() {
            attach_late(launched.shim, late);
        }
        let shims = self.inner.shims.clone();
        // Loading a program takes milliseconds that the client need not wait for.
        tokio::spawn(async move { shims.refill() });
    }

    /// Ends a container whose start could not be written down.
    async fn undo_launch(&self, container: &Container, mut launched: Launched) {
        let killed = launched.shim.signal(None, crate::signal::KILL).await;
        tracing::warn!(container.id = %container.id, ?killed, "a start could not be written down");
        let ended = async {
            while let Some(event) = launched.events.recv().await {
                if matches!(event, ShimEvent::Exited(_) | ShimEvent::Lost) {
                    return;
                }
            }
        };
        if tokio::time::timeout(UNDO_DEADLINE, ended).await.is_err() {
            self.kill_cgroup(container);
        }
        self.abandon(&container.record(), &launched.shim).await;
    }

    /// A start that failed under a restart policy is an attempt, not the end.
    fn note_failed_start(
        &self,
        container: &Arc<Container>,
        error: &ContainerError,
        cause: StartCause,
    ) {
        let exit_code = match error {
            ContainerError::StartFailed { exit_code, .. } => *exit_code,
            _ => 128,
        };
        container.live().pending.clear();
        let (error, policy) = (types::error::chain(error), self.policy(container));
        let noted = self.change_state(container, |state| {
            state.apply(Transition::StartFailed { exit_code, error: error.clone() })?;
            if cause == StartCause::Policy && policy.wants_restart(state) {
                let reason = format!("start failed: {error}");
                state.apply(Transition::RestartPending { reason })?;
            }
            Ok(())
        });
        container.announce(false);
        if let Err(error) = noted {
            tracing::error!(container.id = %container.id, error = %types::error::chain(&error), "cannot note a failed start");
        }
    }

    async fn launch(&self, container: &Arc<Container>) -> Result<Launched, ContainerError> {
        let record = container.record();
        let dir = self.shim_dir(&record.id);
        let mut watch = Stopwatch::start(&container.id);
        await_departure(container).await;
        watch.lap("start: end of the last run");
        self.inner.cgroup_moves.prewarm();
        crate::create::remove_dir(&dir)?;
        let (shim, events) = self.inner.shims.take(&dir)?;
        watch.lap("start: supervisor from the reserve");
        let (network, prepared) = tokio::join!(
            self.connect_network(Arc::clone(&record)),
            self.prepare(Arc::clone(&record))
        );
        let (network, mut request) = match (network, prepared) {
            (Ok(network), Ok(request)) => (network, request),
            (network, prepared) => {
                self.abandon(&record, &shim).await;
                network?;
                prepared?;
                unreachable!("one of the two failed");
            }
        };
        watch.lap("start: network and files, side by side");
        let started = self.finish_launch(container, &record, &shim, network, &mut request).await;
        watch.lap("start: supervisor (cgroups, clone, mounts, execve)");
        match started {
            Ok((pid, endpoint)) => Ok(Launched { pid, shim, events, endpoint }),
            Err(error) => {
                self.abandon(&record, &shim).await;
                Err(error)
            }
        }
    }

    async fn finish_launch(
        &self,
        container: &Container,
        record: &Record,
        shim: &Shim,
        network: Network,
        request: &mut Option<StartRequest>,
    ) -> Result<(i32, Option<Endpoint>), ContainerError> {
        let address = network.endpoint.as_ref().map(|endpoint| endpoint.ip);
        self.write_hosts_of(record, address)?;
        let mut namespaces = self.joined_namespaces(record)?;
        if let Some(namespace) = network.namespace {
            namespaces.insert("net".to_owned(), namespace);
        }
        let attachments = std::mem::take(&mut container.live().pending);
        let request = request.take().expect("prepared just above");
        let started = shim
            .start(request, attachments, namespaces)
            .await
            .map_err(|error| shim_error(error, CREATE_FAILED))?;
        Ok((started.pid, network.endpoint))
    }

    /// Undoes what a failed start has made; every step is tried.
    async fn abandon(&self, record: &Record, shim: &Shim) {
        if let Err(error) = self.release_host_mounts(&record.id) {
            tracing::warn!(container.id = %record.id, error = %types::error::chain(&error), "cannot release its mounts");
        }
        if let Err(error) = self.disconnect(&record.id).await {
            tracing::warn!(container.id = %record.id, error = %types::error::chain(&error), "cannot disconnect");
        }
        // A shim that was never started, or whose start failed, ends on release.
        if let Err(error) = shim.release().await
            && !matches!(error, ShimError::Lost)
        {
            tracing::warn!(container.id = %record.id, error = %types::error::chain(&error), "cannot release the shim");
        }
        if let Err(error) = crate::create::remove_dir(&self.shim_dir(&record.id)) {
            tracing::warn!(container.id = %record.id, error = %types::error::chain(&error), "cannot remove the shim's directory");
        }
    }

    /// Makes the network namespace and connects it, or finds the one to share.
    async fn connect_network(&self, record: Arc<Record>) -> Result<Network, ContainerError> {
        let service = self.clone();
        tokio::task::spawn_blocking(move || service.connect_network_blocking(&record))
            .await
            .map_err(|error| ContainerError::Shim(error.to_string()))?
    }

    fn connect_network_blocking(&self, record: &Record) -> Result<Network, ContainerError> {
        let mut watch = Stopwatch::start(&record.id);
        let network = self.make_network(record)?;
        watch.lap("start: of that, network");
        Ok(network)
    }

    fn make_network(&self, record: &Record) -> Result<Network, ContainerError> {
        let networks = &self.inner.services.networks;
        match NetworkMode::parse(&record.host_config.network_mode) {
            NetworkMode::Host => Ok(Network::default()),
            NetworkMode::None => {
                Ok(Network { namespace: Some(networks.sandbox()?), endpoint: None })
            }
            NetworkMode::Container(other) => {
                let namespace = self.network_namespace_of(&other)?;
                Ok(Network { namespace: Some(namespace), endpoint: None })
            }
            NetworkMode::Named(name) => {
                let sandbox = networks.sandbox()?;
                let endpoint = networks
                    .connect(&ConnectRequest {
                        container: &record.id,
                        name: record.name.as_str(),
                        sandbox: sandbox.as_fd(),
                        network: &name,
                        address: requested_ip(record, &name)?,
                        mac: requested_mac(record, &name)?,
                        ports: &crate::port_request::parse(record)?,
                    })
                    .map_err(ContainerError::NotConnected)?;
                Ok(Network { namespace: Some(sandbox), endpoint: Some(endpoint) })
            }
        }
    }

    /// Takes a container off its network; one that is on none is no error.
    pub(crate) async fn disconnect(&self, id: &types::ContainerId) -> Result<(), ContainerError> {
        let (networks, id) = (self.inner.services.networks.clone(), id.clone());
        tokio::task::spawn_blocking(move || networks.disconnect(&id))
            .await
            .map_err(|error| ContainerError::Shim(error.to_string()))??;
        Ok(())
    }

    /// Everything that needs no network, on a blocking thread.
    async fn prepare(&self, record: Arc<Record>) -> Result<Option<StartRequest>, ContainerError> {
        let service = self.clone();
        tokio::task::spawn_blocking(move || service.prepare_blocking(&record).map(Some))
            .await
            .map_err(|error| ContainerError::Shim(error.to_string()))?
    }

    fn prepare_blocking(&self, record: &Record) -> Result<StartRequest, ContainerError> {
        let settings = &self.inner.settings;
        let dir = self.data_dir(&record.id);
        let mut rootfs = self.inner.services.snapshots.rootfs(&snapshot_key(&record.id))?;
        if record.host_config.auto_remove {
            // The engine's first start after a crash of the host removes it.
            rootfs = rootfs.into_volatile();
        }
        volume_copy::fill(record, &rootfs)?;
        host_files::write(record, &dir, &settings.dns, &self.inner.services.networks)?;
        let has_init = record.host_config.init == Some(true);
        if has_init && settings.init_binary.is_none() {
            return Err(ContainerError::Invalid(
                "--init is asked for, but gantry-init is not installed beside gantryd".into(),
            ));
        }
        let bundle = dir.join("bundle");
        crate::settings::make_dir(&bundle, 0o700)?;
        Ok(StartRequest {
            id: record.id.clone(),
            spec: self.spec(
                record,
                self.ready_shared_memory(record)?,
                self.mount_subpaths(record)?,
            )?,
            rootfs,
            seccomp_bpf: self.seccomp_filter(record)?,
            namespaces: BTreeMap::new(),
            attach: Vec::new(),
            open_stdin: record.config.open_stdin,
            stdin_once: record.config.stdin_once,
            console_size: spec::console_size(record.host_config.console_size)
                .map(|size| (size.width, size.height)),
            log: LogConfigPlan::parse(&record.host_config.log_config)?
                .target(record, LogPlace { dir: &dir, logger: &settings.logger_binary })?,
            bundle,
            external_runtime: self.external_runtime(record)?,
            init_binary: settings.init_binary.clone().filter(|_| has_init),
        })
    }

    fn external_runtime(&self, record: &Record) -> Result<Option<ExternalRuntime>, ContainerError> {
        let name = &record.host_config.runtime;
        if name.is_empty() || name == NATIVE_RUNTIME {
            return Ok(None);
        }
        let settings = &self.inner.settings;
        let runtime = settings.runtimes.get(name).ok_or_else(|| {
            ContainerError::Invalid(format!("unknown or invalid runtime name: {name}"))
        })?;
        Ok(Some(ExternalRuntime {
            path: runtime.path.clone(),
            args: runtime.args.clone(),
            root: settings.exec_dir.join("runtimes").join(name),
        }))
    }

    /// The filter's file, or none for an unconfined container.
    pub(crate) fn seccomp_filter(
        &self,
        record: &Record,
    ) -> Result<Option<PathBuf>, ContainerError> {
        let host = &record.host_config;
        let options =
            spec::security::Options::parse(host.security_opt.as_deref().unwrap_or_default())?;
        // A policy that was asked for by name holds for a privileged container too.
        if host.privileged && !matches!(options.seccomp, SeccompChoice::Custom(_)) {
            return Ok(None);
        }
        let capabilities = spec::capability::effective(
            host.cap_add.as_deref().unwrap_or_default(),
            host.cap_drop.as_deref().unwrap_or_default(),
            host.privileged,
        )?;
        self.inner.seccomp.filter(&options.seccomp, &capabilities)
    }

    /// Resolves a user with the container's own accounts.
    pub(crate) fn user(&self, record: &Record, user: &str) -> Result<User, ContainerError> {
        let accounts = self.accounts(record)?;
        let groups = record.host_config.group_add.as_deref().unwrap_or_default();
        Ok(accounts.resolve(user, groups)?)
    }

    /// What a running container has in its files now, else what it will find at its start.
    fn accounts(&self, record: &Record) -> Result<Arc<Accounts>, ContainerError> {
        let failed = |source| ContainerError::File {
            action: "read accounts of",
            path: "/etc/passwd".into(),
            source,
        };
        if let Some(view) = running_root(&*self.find(record.id.as_str())?)? {
            return AccountCache::read(&view).map(Arc::new).map_err(failed);
        }
        let rootfs = self.inner.services.snapshots.rootfs(&snapshot_key(&record.id))?;
        self.inner.accounts.get(&record.image, &rootfs).map_err(failed)
    }

    fn spec(
        &self,
        record: &Record,
        shm: SharedMemory,
        subpaths: Subpaths,
    ) -> Result<Spec, ContainerError> {
        let dir = self.data_dir(&record.id);
        let files = host_files::locate(record, &dir);
        let mut spec = spec::build(&Inputs {
            record,
            user: self.user(record, &record.config.user)?,
            files: HostFiles {
                resolv_conf: files.resolv_conf.as_deref(),
                hostname: &files.hostname,
                hosts: files.hosts.as_deref(),
            },
            cgroup_path: self.cgroup_path(record),
            is_cgroup_v2: crate::cgroup_mode::is_v2_only(),
            namespaces: namespace_plan(record),
            shm,
            subpaths,
        })?;
        self.apply_defaults(&mut spec, record);
        if let Some(process) = spec.process.as_mut() {
            let links = self.link_environment(record)?;
            // What the caller says of a variable stands.
            let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
            let known: Vec<String> = process.env.iter().map(|entry| name(entry)).collect();
            process.env.extend(links.into_iter().filter(|entry| !known.contains(&name(entry))));
        }
        Ok(spec)
    }

    fn apply_defaults(&self, spec: &mut Spec, record: &Record) {
        let settings = &self.inner.settings;
        let Some(process) = spec.process.as_mut() else { return };
        process.no_new_privileges |= settings.no_new_privileges && !record.host_config.privileged;
        for ulimit in &settings.ulimits {
            let Ok(limit) = spec::resource::rlimit(ulimit) else { continue };
            if !process.rlimits.iter().any(|own| own.kind == limit.kind) {
                process.rlimits.push(limit);
            }
        }
    }

    /// The process of init, as the model for an exec's.
    pub(crate) fn init_process(&self, record: &Record) -> Result<Process, ContainerError> {
        Ok(self.spec(record, SharedMemory::Own, Subpaths::new())?.process.unwrap_or_default())
    }
}

/// Two mounts of one writable layer at a time are not sound: the last run's has to be gone.
async fn await_departure(container: &Container) {
    let departing = container.live().departing.take();
    if let Some(departing) = departing
        && tokio::time::timeout(DEPARTURE_DEADLINE, departing).await.is_err()
    {
        tracing::warn!(container.id = %container.id, "the last run's supervisor is still there");
    }
}

/// Hands over streams that were attached while the start was under way.
fn attach_late(shim: Shim, late: Vec<Attachment>) {
    // Ends with the last answer of the shim, or with the shim.
    tokio::spawn(async move {
        for attachment in late {
            if let Err(error) = shim.attach_late(None, attachment).await {
                tracing::debug!(error = %types::error::chain(&error), "ended before a late stream");
            }
        }
    });
}

fn check_startable(container: &Container) -> Result<(), ContainerError> {
    match container.state().phase {
        Phase::Created | Phase::Exited | Phase::Restarting => Ok(()),
        Phase::Running => Err(ContainerError::NotModified),
        Phase::Paused => Err(ContainerError::Conflict(
            "cannot start a paused container, try unpause instead".into(),
        )),
        Phase::Removing | Phase::Dead => Err(ContainerError::Conflict(
            "container is marked for removal and cannot be started".into(),
        )),
    }
}

fn namespace_plan(record: &Record) -> NamespacePlan {
    let host = &record.host_config;
    let origin = |is_host: bool| if is_host { Origin::Host } else { Origin::Own };
    let is_host_network = NetworkMode::parse(&host.network_mode) == NetworkMode::Host;
    NamespacePlan {
        network: origin(is_host_network),
        pid: origin(host.pid_mode == "host"),
        ipc: origin(host.ipc_mode == "host"),
        uts: origin(host.uts_mode == "host"),
    }
}

fn requested_ip(
    record: &Record,
    network: &str,
) -> Result<Option<std::net::Ipv4Addr>, ContainerError> {
    let Some(config) = endpoint_settings(record, network).and_then(|e| e.ipam_config.as_ref())
    else {
        return Ok(None);
    };
    if config.ipv4_address.is_empty() {
        return Ok(None);
    }
    config.ipv4_address.parse().map(Some).map_err(|_| {
        ContainerError::Invalid(format!("invalid IPv4 address: {}", config.ipv4_address))
    })
}

fn requested_mac(
    record: &Record,
    network: &str,
) -> Result<Option<network::MacAddress>, ContainerError> {
    let own = endpoint_settings(record, network).map(|e| e.mac_address.clone());
    let text =
        own.filter(|mac| !mac.is_empty()).unwrap_or_else(|| record.config.mac_address.clone());
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| ContainerError::Invalid(format!("invalid MAC address: {text}")))
}

fn endpoint_settings<'a>(
    record: &'a Record,
    network: &str,
) -> Option<&'a engine_api::network::EndpointSettings> {
    record.endpoints.get(network).or_else(|| record.endpoints.get("default"))
}
