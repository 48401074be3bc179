//! Whether the kernel moves processes between cgroups at once, and what to do where it does not.

use runtime::cgroup::{self, Favor};

/// What the configuration says about `favordynmods` (decision 0005).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FavorDynmods {
    /// Where moves are needed and the option has no price: v1 controllers, Linux 6.18 or newer.
    #[default]
    Auto,
    /// Wherever the kernel can.
    On,
    /// Never.
    Off,
}

/// How moves are made cheap; held as long as the engine runs.
#[derive(Debug)]
pub(crate) enum CgroupMoves {
    /// Nobody is moved: processes are born in their cgroup of v2.
    NotNeeded,
    /// All are cheap.
    Favored { _hold: Favor },
    /// The first after a pause waits.
    Slow,
}

impl CgroupMoves {
    /// Does what is wished; a failure costs time only and is a warning.
    pub(crate) fn prepare(wish: FavorDynmods) -> Self {
        let has_v1 = cgroup::has_v1_controllers().unwrap_or_else(|error| {
            tracing::warn!(error = %types::error::chain(&error), "cannot look for cgroup v1");
            false
        });
        let is_wanted = match wish {
            FavorDynmods::Auto => Favor::is_free(),
            FavorDynmods::On => true,
            FavorDynmods::Off => false,
        };
        match (has_v1, is_wanted) {
            (false, _) => Self::NotNeeded,
            (true, false) => Self::Slow,
            (true, true) => Self::favor(),
        }
    }

    fn favor() -> Self {
        // Any name that no other engine of this host has; it is seen in /proc/PID/cgroup.
        let key = types::ContainerId::random();
        match Favor::hold(key.as_str()) {
            Ok(hold) => {
                tracing::info!("cgroup v1 moves are made with favordynmods");
                Self::Favored { _hold: hold }
            }
            Err(error) => {
                tracing::warn!(error = %types::error::chain(&error), "cgroup v1 moves stay slow");
                Self::Slow
            }
        }
    }

    /// Lets the kernel get ready for the shim's moves while the rest is prepared: the first of
    /// several waits for an RCU grace period.
    pub(crate) fn prewarm(&self) {
        if !matches!(self, Self::Slow) {
            return;
        }
        tokio::task::spawn_blocking(|| {
            if let Err(error) = cgroup::prewarm() {
                // Nothing is lost but time.
                tracing::debug!(error = %types::error::chain(&error), "cannot prepare cgroup moves");
            }
        });
    }
}
