//! Settings of the C library's allocator, for programs with a memory budget.

/// What the allocator may keep.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many arenas threads share; each keeps its own free memory.
    pub arenas: i32,
    /// Allocations from this size on are mapped alone, and so returned when they are freed.
    pub map_from_bytes: i32,
    /// Free memory at the end of an arena beyond this is returned.
    pub trim_bytes: i32,
}

/// Sets the limits; whether the C library took all of them. Call it before threads start.
#[cfg(target_env = "gnu")]
#[must_use]
pub fn limit(limits: Limits) -> bool {
    let settings = [
        (libc::M_ARENA_MAX, limits.arenas),
        (libc::M_MMAP_THRESHOLD, limits.map_from_bytes),
        (libc::M_TRIM_THRESHOLD, limits.trim_bytes),
    ];
    settings.into_iter().fold(true, |all, (parameter, value)| {
        // SAFETY: `mallopt` takes two integers by value, keeps no pointer, and locks the
        // allocator itself.
        all & (unsafe { libc::mallopt(parameter, value) } == 1)
    })
}

/// Other C libraries have no such settings.
#[cfg(not(target_env = "gnu"))]
#[must_use]
pub fn limit(_limits: Limits) -> bool {
    true
}

/// Returns free memory in the middle of the arenas to the system; whether there was any. Takes
/// time in proportion to the heap: for quiet moments.
#[cfg(target_env = "gnu")]
pub fn release() -> bool {
    // SAFETY: `malloc_trim` takes an integer by value, and locks each arena itself.
    unsafe { libc::malloc_trim(0) == 1 }
}

/// Other C libraries decide for themselves.
#[cfg(not(target_env = "gnu"))]
pub fn release() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_reasonable_limits() {
        release();
        assert!(limit(Limits { arenas: 2, map_from_bytes: 4 << 20, trim_bytes: 1 << 20 }));
    }
}
