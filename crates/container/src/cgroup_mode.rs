//! Which cgroup hierarchy the host has.

/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// Whether `/sys/fs/cgroup` is cgroup v2 alone; v1 and hybrid hosts have a tmpfs there.
#[must_use]
pub fn is_v2_only() -> bool {
    rustix::fs::statfs("/sys/fs/cgroup").is_ok_and(|fs| fs.f_type as u64 == CGROUP2_MAGIC)
}
