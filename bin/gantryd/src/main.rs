//! gantryd: the engine (temporary main until the configuration lands).
mod wire;
use std::{collections::BTreeMap, path::PathBuf};
use engine_http::{api::Api, server::{Limits, Listener, Server}};
fn main() -> anyhow::Result<()> {
    let root = PathBuf::from(std::env::args().nth(1).expect("root"));
    let bridge = std::env::args().nth(2).expect("bridge");
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    rt.block_on(async move {
        let shim = std::env::current_exe()?.with_file_name("gantry-shim");
        let wired = wire::wire(wire::EngineSettings {
            data_root: root.join("data"), exec_root: root.join("exec"),
            network: network::NetworkConfig { bridge: bridge.parse().expect("x"), ..Default::default() },
            registry: Default::default(), max_concurrent_downloads: 3, max_concurrent_uploads: 5,
            containers: container::Settings { data_dir: PathBuf::new(), exec_dir: PathBuf::new(), shim_binary: shim, init_binary: None,
                cgroup_parent: format!("/{bridge}"), default_runtime: "gantry".into(), runtimes: BTreeMap::new(), log: engine_api::host_config::LogConfig{kind:"json-file".into(), config: None}, ulimits: vec![], shm_size_bytes: 0, has_init: false, no_new_privileges: false, seccomp: Default::default(), dns: Default::default() },
            facts: Default::default(),
        }).await?;
        let api = Api::new(engine_http::routes::router(wired.backends));
        let listener = Listener::unix(&root.join("gantry.sock"), 0).await?;
        let stop = tokio_util::sync::CancellationToken::new();
        Server::new(api, Limits::default()).serve(vec![listener], stop).await;
        anyhow::Ok(())
    })
}
