//! gantryd: the engine. Reads its configuration, wires the services, serves the Engine API, and
//! stops cleanly; containers are never its children and outlive it.

mod config;
mod group;
mod listen;
mod log;
mod notify;
mod pidfile;
mod reload;
mod settings;
mod wire;

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Parser;
use config::{Config, Flags};
use engine_http::{
    Api, Server, router_with_sockets,
    server::{Limits, Listener},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// An idle engine is to stay under 15 MB: two arenas, and free memory goes back early.
const ALLOCATOR: sys::allocator::Limits =
    sys::allocator::Limits { arenas: 2, map_from_bytes: 256 * 1024, trim_bytes: 256 * 1024 };

fn main() -> ExitCode {
    let flags = Flags::parse();
    match start(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(flags: &Flags) -> anyhow::Result<()> {
    // First of all: the inherited descriptors, before anything else opens some.
    let inherited = sys::activation::take_sockets().context("cannot take inherited sockets")?;
    let config = Config::load(flags)?;
    if flags.validate {
        println!("configuration OK");
        return Ok(());
    }
    let _taken = sys::allocator::limit(ALLOCATOR);
    let log = log::start(&config)?;
    let _pidfile = pidfile::PidFile::create(&config.pidfile)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(run(flags, config, inherited, &log))
}

async fn run(
    flags: &Flags,
    config: Config,
    inherited: Vec<std::os::fd::OwnedFd>,
    log: &log::Handle,
) -> anyhow::Result<()> {
    // Before the recovery, so that a signal during it is not lost.
    let stop = stop_on_signals()?;
    // Clients may connect from here on; they are answered when the engine is recovered.
    let listeners = listen::open(&config, inherited).await?;
    let (publish, current) = watch::channel(Arc::new(config));
    let engine = wire::wire(current).await?;
    // What the recovery needed is not needed any more.
    sys::allocator::release();
    let serving = serve(&engine, listeners, stop.clone());
    notify::ready();
    tokio::select! {
        () = serving => {}
        () = reload::on_hangup(flags, &publish, log, |keys| engine.tell_reload(keys)) => {}
    }
    notify::stopping();
    tracing::info!("stopping");
    engine.stop().await;
    Ok(())
}

async fn serve(engine: &wire::Engine, listeners: Vec<Listener>, stop: CancellationToken) {
    let api =
        Api::new(router_with_sockets(engine.backends.clone(), Arc::new(engine.sockets.clone())));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the engine is ready");
    Server::new(api, Limits::default()).serve(listeners, stop).await;
}

/// Cancelled by the first SIGTERM or SIGINT.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let stop = stop.clone();
        // Ends with the process.
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}
