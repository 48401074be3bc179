//! Starting the supervisor program.

use std::{
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::{fs::DirBuilderExt as _, net::UnixStream},
    },
    path::PathBuf,
    process::Stdio,
};

use tokio::process::{Child, Command};

use crate::ShimError;

/// How to start a shim.
#[derive(Debug, Clone)]
pub struct ShimConfig {
    /// `gantry-shim`.
    pub binary: PathBuf,
    /// The shim's directory; made if it is not there. It may be renamed as soon as the shim is
    /// spawned: a spare shim can be started before its container is known.
    pub dir: PathBuf,
}

impl ShimConfig {
    /// Starts the program with one end of a socket pair as its standard input, and its directory
    /// as its standard output: open, so that a rename cannot outrun it.
    ///
    /// Standard streams and not higher numbers: the standard library then needs no code between
    /// fork and exec, and takes the `posix_spawn` path, whose cost does not grow with the engine.
    /// The child is to be waited for when its connection ends, so that no zombie stays.
    pub(crate) fn spawn(&self) -> Result<(UnixStream, Child), ShimError> {
        let directory = self.make_dir()?;
        let launch = || -> io::Result<(UnixStream, Child)> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let child = Command::new(&self.binary)
                .arg("--dir")
                .arg(&self.dir)
                .args(["--connection-fd", "0", "--dir-fd", "1"])
                .stdin(OwnedFd::from(theirs))
                .stdout(directory)
                .stderr(Stdio::null())
                .spawn()?;
            Ok((ours, child))
        };
        launch().map_err(|source| ShimError::Spawn { binary: self.binary.clone(), source })
    }

    fn make_dir(&self) -> Result<File, ShimError> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.and_then(|()| File::open(&self.dir))
            .map_err(|source| ShimError::Directory { dir: self.dir.clone(), source })
    }
}
