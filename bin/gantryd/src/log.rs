//! The engine's log, to stderr; its level can be changed while it runs.

use anyhow::Context;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::config::Config;

/// Changes the level.
pub struct Handle(reload::Handle<LevelFilter, Registry>);

fn level(config: &Config) -> LevelFilter {
    if config.debug {
        return LevelFilter::DEBUG.max(config.log_level.filter());
    }
    config.log_level.filter()
}

/// Starts the log.
///
/// # Errors
/// It was started before.
pub fn start(config: &Config) -> anyhow::Result<Handle> {
    let (filter, handle) = reload::Layer::new(level(config));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::registry()
        .with(filter)
        .with(fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal))
        .try_init()
        .context("cannot start the log")?;
    Ok(Handle(handle))
}

impl Handle {
    /// Takes over the level of a reloaded configuration.
    ///
    /// # Errors
    /// The log is gone.
    pub fn apply(&self, config: &Config) -> anyhow::Result<()> {
        self.0.reload(level(config)).context("cannot change the log level")
    }
}
