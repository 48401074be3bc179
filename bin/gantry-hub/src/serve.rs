//! Serving.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use hub_http::{App, Server, Stop};
use registry::Registry;
use rustls::ServerConfig;
use tls::{Identity, TlsError};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tracing_subscriber::EnvFilter;
use types::error::chain;

use crate::{
    arguments::ServeOptions,
    config::{Config, Settings},
    data::{self, Data},
};

/// Threads for file work and hashing; idle ones end after ten seconds.
const MAX_BLOCKING_THREADS: usize = 32;

/// Hashing a password takes 19 MiB at once, which must not stay with whichever thread did it.
const ALLOCATOR: sys::allocator::Limits =
    sys::allocator::Limits { arenas: 2, map_from_bytes: 1 << 20, trim_bytes: 1 << 20 };

/// Serves until told to stop.
pub fn run(options: Box<ServeOptions>) -> anyhow::Result<()> {
    let settings = Config::read(&options.place)?.with(&options).settle()?;
    start_log(&settings.log_level)?;
    if !sys::allocator::limit(ALLOCATOR) {
        tracing::warn!("the allocator takes no limits, idle memory will be higher");
    }
    let _lock = data::lock(&settings.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.worker_threads)
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(&settings, options.port_file.as_deref()))
}

/// Tries what serving would need, short of the data directory and the address.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    settings.log_level.parse::<EnvFilter>().context("log-level")?;
    tls(settings)?;
    Ok(())
}

fn tls(settings: &Settings) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let Some((certificate, key)) = &settings.tls else { return Ok(None) };
    let identity = Identity { certificate: certificate.clone(), key: key.clone() };
    let mut config = tls::server_config(&identity, None)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

fn start_log(level: &str) -> anyhow::Result<()> {
    let filter: EnvFilter = level.parse().context("log-level")?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

async fn serve(settings: &Settings, port_file: Option<&Path>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let tls = tls(settings)?;
    let Data { hub, database } = Data::open_for_serving(settings).await?;
    let collector = tidy_for_ever(hub.registry().clone(), settings.gc_interval);
    let router = hub_http::router(App { hub, public_url: settings.public_url.clone() });
    let stop = Stop::new();
    let server = Server::bind(settings.listen, tls, router, &stop).await?;
    announce(&server, port_file)?;
    let running = tokio::spawn(server.run());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.stop();
    running.await.context("the server failed")?;
    collector.abort();
    database.close().await;
    Ok(())
}

fn announce(server: &Server, port_file: Option<&Path>) -> anyhow::Result<()> {
    let address = server.address().context("cannot tell the address")?;
    if let Some(path) = port_file {
        std::fs::write(path, format!("{}\n", address.port()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "listening on {address}").context("cannot write to standard output")?;
    out.flush().context("cannot write to standard output")
}

/// Collects garbage now and then, and returns memory that a busy time left behind. A failed round
/// is logged and tried again.
fn tidy_for_ever(registry: Registry, interval: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match registry.collect().await {
                Ok(collected) if collected == Default::default() => {}
                Ok(collected) => tracing::info!(?collected, "collected garbage"),
                Err(error) => tracing::error!(error = chain(&error), "collection failed"),
            }
            sys::allocator::release();
        }
    })
}
