//! The C library's heap, for programs that live long and small.

/// Lets every allocation of 32 KiB and more be a mapping of its own, which goes back to the
/// kernel when it is freed, and keeps the heap's end trimmed.
///
/// Has no effect with C libraries other than glibc.
pub fn prefer_small() {
    #[cfg(target_env = "gnu")]
    {
        const MMAP_FROM_BYTES: i32 = 32 << 10;
        const TRIM_FROM_BYTES: i32 = 16 << 10;
        const TOP_PAD_BYTES: i32 = 4 << 10;
        // SAFETY: tuning parameters; mallopt ignores what it does not know.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
            libc::mallopt(libc::M_TOP_PAD, TOP_PAD_BYTES);
        }
    }
}

/// Gives free pages of the heap back to the kernel.
pub fn release() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
