//! Which cgroup hierarchy the host has, and readying it for a start.

/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// Whether `/sys/fs/cgroup` is cgroup v2 alone; v1 and hybrid hosts have a tmpfs there.
#[must_use]
pub fn is_v2_only() -> bool {
    rustix::fs::statfs("/sys/fs/cgroup").is_ok_and(|fs| fs.f_type as u64 == CGROUP2_MAGIC)
}

/// Lets the kernel get ready for the shim's moves between cgroups while the rest is prepared: the
/// first of several waits for an RCU grace period.
pub(crate) fn prewarm() {
    tokio::task::spawn_blocking(|| {
        if let Err(error) = runtime::cgroup::prewarm() {
            // Nothing is lost but time.
            tracing::debug!(error = %types::error::chain(&error), "cannot prepare cgroup moves");
        }
    });
}
