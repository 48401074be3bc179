//! `mount_setattr(2)`.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// What changes. Flags are `MOUNT_ATTR_*`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Attributes to add.
    pub set: u64,
    /// Attributes to take away. `MOUNT_ATTR__ATIME` must be here when an atime mode is set.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0: unchanged.
    pub propagation: u64,
}

impl Attributes {
    /// Whether applying it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far a change reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One mount.
    Mount,
    /// The mount and all below it.
    Tree,
}

/// Changes the mount whose root `mount` refers to.
///
/// # Errors
/// `mount_setattr`'s; nothing is changed then.
pub fn set_attributes(
    mount: BorrowedFd<'_>,
    scope: Scope,
    attributes: &Attributes,
) -> io::Result<()> {
    let arg = libc::mount_attr {
        attr_set: attributes.set,
        attr_clr: attributes.clear,
        propagation: attributes.propagation,
        userns_fd: 0,
    };
    change(mount, scope, &arg)
}

/// Shows the owners of a mount that is attached nowhere yet as the mappings of a user namespace
/// have them.
///
/// # Errors
/// `mount_setattr`'s: among others `EINVAL` for a file system that cannot do that.
pub fn map_ids(mount: BorrowedFd<'_>, scope: Scope, mappings: BorrowedFd<'_>) -> io::Result<()> {
    let arg = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::from(mappings.as_raw_fd().unsigned_abs()),
    };
    change(mount, scope, &arg)
}

fn change(mount: BorrowedFd<'_>, scope: Scope, arg: &libc::mount_attr) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if scope == Scope::Tree { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, `arg` outlives the call and its size is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(arg),
            std::mem::size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
