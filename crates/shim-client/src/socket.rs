//! Sockets between the engine and a shim.

use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

use crate::ShimError;

/// Makes a stream for attaching: the engine's end, and the end that goes to the shim in an
/// [`crate::Attachment`].
///
/// # Errors
/// [`ShimError::Stream`] when no descriptors are left. Must be called within a tokio runtime.
pub fn stream_pair() -> Result<(UnixStream, OwnedFd), ShimError> {
    let (ours, theirs) = StdUnixStream::pair().map_err(ShimError::Stream)?;
    ours.set_nonblocking(true).map_err(ShimError::Stream)?;
    Ok((UnixStream::from_std(ours).map_err(ShimError::Stream)?, theirs.into()))
}

/// Connects to `dir/shim.sock`, through a directory descriptor: a socket address holds 107
/// bytes, and a shim's directory has a 64 character name.
pub(crate) async fn connect(dir: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::open(dir, flags, Mode::empty())?;
    UnixStream::connect(format!("/proc/self/fd/{}/shim.sock", handle.as_raw_fd())).await
}
