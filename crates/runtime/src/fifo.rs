//! The FIFO at which a created container waits when its starter is another process.
//!
//! Init opens it for writing, which blocks until the starter opens it for reading; then init
//! writes `0`, and after it either nothing (the descriptor closes on `execve`) or the failure.

use std::{fs::File, io::Read, os::fd::OwnedFd, path::Path};

use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::error::RuntimeError;

/// Makes the FIFO and refers to it, as [`crate::create_behind_fifo`] wants it.
///
/// # Errors
/// When it cannot be made, e.g. because it exists.
pub fn make(path: &Path) -> Result<OwnedFd, RuntimeError> {
    let fail = |e| RuntimeError::system("make fifo", path.display(), e);
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o622), 0).map_err(fail)?;
    // The mode mask must not take the right to write from an init that is not root.
    rustix::fs::chmod(path, Mode::from_raw_mode(0o622)).map_err(fail)?;
    rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .map_err(fail)
}

/// Lets the container behind the FIFO go on; returns after its `execve`.
///
/// Blocks while nobody is at the other end: the caller checks that init lives.
///
/// # Errors
/// Init's failure.
pub fn release(path: &Path) -> Result<(), RuntimeError> {
    let fail = |e| RuntimeError::system("open fifo", path.display(), e);
    let mut words = Vec::new();
    File::open(path).and_then(|f| f.take(1 << 20).read_to_end(&mut words)).map_err(fail)?;
    match words.as_slice() {
        [] => Err(RuntimeError::InitVanished),
        [b'0'] => Ok(()),
        [b'0', b'e', json @ ..] => Err(crate::channel::decode_failure(json)),
        _ => Err(RuntimeError::InitVanished),
    }
}
