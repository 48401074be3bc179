//! `/version`, `/info`, `/events`, `/system/df`, `/auth`.

use std::collections::BTreeMap;

use ::container::{clock, host_memory_bytes, state::Phase};
use async_trait::async_trait;
use engine_api::{
    auth::{AuthConfig, AuthResponse},
    disk_usage::DiskUsage,
    event::EventMessage,
    info::{Commit, PluginsInfo, Runtime, SwarmInfo, SystemInfo},
    version::{ComponentVersion, PlatformName, SystemVersion},
};
use futures_util::stream::BoxStream;

use super::{Engine, registries};
use crate::{
    Answer, ApiError, ApiVersion,
    backend::{
        SystemBackend,
        system::{DiskUsageQuery, EventQuery},
    },
};

/// What `/info` and `/version` say that no service knows.
#[derive(Debug, Clone, Default)]
pub struct EngineFacts {
    /// Stable id of this engine's data.
    pub id: String,
    /// `DATA_ROOT`.
    pub data_root: String,
    /// `key=value`.
    pub labels: Vec<String>,
    /// Whether debug logging is on.
    pub debug: bool,
    /// Mirrors of docker.io.
    pub registry_mirrors: Vec<String>,
    /// CIDRs of insecure registries.
    pub insecure_registries: Vec<String>,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

fn kernel_version() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// `GOARCH`.
fn architecture() -> String {
    oci::image::Platform::host().architecture
}

/// `PRETTY_NAME` and `VERSION_ID` of os-release(5).
fn operating_system() -> (String, String) {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    (value("PRETTY_NAME"), value("VERSION_ID"))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Engine {
    fn runtimes(&self) -> BTreeMap<String, Runtime> {
        let settings = self.containers.settings();
        let mut runtimes = BTreeMap::from([(
            ::container::NATIVE_RUNTIME.to_owned(),
            Runtime { path: ::container::NATIVE_RUNTIME.to_owned(), ..Runtime::default() },
        )]);
        for (name, runtime) in &settings.runtimes {
            let document = Runtime {
                path: runtime.path.to_string_lossy().into_owned(),
                runtime_args: runtime.args.clone(),
                ..Runtime::default()
            };
            runtimes.insert(name.clone(), document);
        }
        runtimes
    }
}

#[async_trait]
impl SystemBackend for Engine {
    async fn ping(&self) -> Answer<()> {
        Ok(())
    }

    async fn version(&self) -> Answer<SystemVersion> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let details = BTreeMap::from([
            ("ApiVersion".to_owned(), ApiVersion::NEWEST.to_string()),
            ("MinAPIVersion".to_owned(), ApiVersion::OLDEST.to_string()),
            ("Os".to_owned(), "linux".to_owned()),
            ("Arch".to_owned(), architecture()),
            ("KernelVersion".to_owned(), kernel_version()),
            ("Experimental".to_owned(), "false".to_owned()),
        ]);
        Ok(SystemVersion {
            platform: PlatformName { name: "Gantry".to_owned() },
            components: vec![ComponentVersion {
                name: "Engine".to_owned(),
                version: version.clone(),
                details: Some(details),
            }],
            version,
            api_version: ApiVersion::NEWEST.to_string(),
            min_api_version: ApiVersion::OLDEST.to_string(),
            git_commit: option_env!("GANTRY_GIT_COMMIT").unwrap_or("unknown").to_owned(),
            go_version: "none".to_owned(),
            os: "linux".to_owned(),
            arch: architecture(),
            kernel_version: kernel_version(),
            ..SystemVersion::default()
        })
    }

    async fn info(&self) -> Answer<SystemInfo> {
        let containers = self.containers.all();
        let in_phase = |phases: &[Phase]| {
            count(containers.iter().filter(|c| phases.contains(&c.state().phase)).count())
        };
        let (operating_system, os_version) = operating_system();
        let settings = self.containers.settings();
        let images = self.images.list(&::image::ImageFilters::default())?;
        let names = |list: &[&str]| Some(list.iter().map(|name| (*name).to_owned()).collect());
        let is_v2 = ::container::cgroup_mode::is_v2_only();
        Ok(SystemInfo {
            id: self.facts.id.clone(),
            containers: count(containers.len()),
            containers_running: in_phase(&[Phase::Running, Phase::Restarting]),
            containers_paused: in_phase(&[Phase::Paused]),
            containers_stopped: in_phase(&[Phase::Created, Phase::Exited, Phase::Dead]),
            images: count(images.len()),
            driver: "overlay2".to_owned(),
            driver_status: vec![("Native Overlay Diff".to_owned(), "true".to_owned())],
            plugins: PluginsInfo {
                volume: names(&["local"]),
                network: names(&["bridge", "host", "null"]),
                authorization: None,
                log: names(&::container::LOG_DRIVERS),
            },
            memory_limit: true,
            swap_limit: true,
            cpu_cfs_period: true,
            cpu_cfs_quota: true,
            cpu_shares: true,
            cpu_set: true,
            pids_limit: true,
            ipv4_forwarding: true,
            debug: self.facts.debug,
            n_fd: count(std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)),
            oom_kill_disable: !is_v2,
            system_time: clock::rfc3339(clock::now_nanos()),
            logging_driver: settings.log.kind.clone(),
            cgroup_driver: "cgroupfs".to_owned(),
            cgroup_version: if is_v2 { "2" } else { "1" }.to_owned(),
            // What this engine has in their place.
            n_goroutines: count(tokio::runtime::Handle::current().metrics().num_alive_tasks()),
            n_events_listener: count(self.containers.events().subscribers()),
            kernel_version: kernel_version(),
            operating_system,
            os_version,
            os_type: "linux".to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            index_server_address: "https://index.docker.io/v1/".to_owned(),
            registry_config: Some(registries::document(
                &self.facts.insecure_registries,
                &self.facts.registry_mirrors,
            )),
            ncpu: count(std::thread::available_parallelism().map_or(1, usize::from)),
            mem_total: i64::try_from(host_memory_bytes()).unwrap_or(i64::MAX),
            docker_root_dir: self.facts.data_root.clone(),
            name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            labels: self.facts.labels.clone(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            runtimes: self.runtimes(),
            default_runtime: settings.default_runtime.clone(),
            swarm: SwarmInfo { local_node_state: "inactive".to_owned(), ..SwarmInfo::default() },
            live_restore_enabled: true,
            init_binary: settings
                .init_binary
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned())
                .unwrap_or_default(),
            containerd_commit: Commit::default(),
            security_options: vec!["name=seccomp,profile=builtin".to_owned()],
            warnings: Some(self.facts.warnings.clone()).filter(|list| !list.is_empty()),
            ..SystemInfo::default()
        })
    }

    async fn auth(&self, credentials: AuthConfig) -> Answer<AuthResponse> {
        let server = if credentials.server_address.is_empty() {
            "https://index.docker.io/v1/".to_owned()
        } else {
            credentials.server_address.clone()
        };
        let known = distribution::Credentials::from_fields(
            &credentials.username,
            credentials.password.expose(),
            credentials.identity_token.expose(),
            "",
        )
        .ok_or_else(|| ApiError::invalid("a user name and a password are needed to log in"))?;
        let login = self.images.login(&server, &known).await?;
        Ok(AuthResponse {
            status: "Login Succeeded".to_owned(),
            identity_token: login.identity_token.unwrap_or_default(),
        })
    }

    async fn disk_usage(&self, query: DiskUsageQuery) -> Answer<DiskUsage> {
        let engine = self.clone();
        super::blocking(move || engine.measure(query)).await
    }

    async fn events(&self, query: EventQuery) -> Answer<BoxStream<'static, EventMessage>> {
        Ok(super::event::stream(self.containers.events(), query))
    }
}
