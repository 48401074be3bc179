//! The standard streams of a process.

use std::os::fd::{AsFd, OwnedFd};

use crate::error::RuntimeError;

/// Where they lead.
#[derive(Debug)]
pub enum Stdio {
    /// The creator's own.
    Inherit,
    /// Given files.
    Fds {
        /// Descriptor 0.
        stdin: OwnedFd,
        /// Descriptor 1.
        stdout: OwnedFd,
        /// Descriptor 2.
        stderr: OwnedFd,
    },
    /// A new pseudo terminal of the container's.
    Terminal,
}

impl Stdio {
    /// Child: puts given files in place.
    pub(crate) fn install(&self) -> Result<(), RuntimeError> {
        match self {
            Self::Inherit | Self::Terminal => Ok(()),
            Self::Fds { stdin, stdout, stderr } => redirect(stdin, stdout, stderr),
        }
    }
}

/// Makes the three files descriptors 0, 1 and 2, even if some of them have those numbers now.
pub(crate) fn redirect(
    stdin: &OwnedFd,
    stdout: &OwnedFd,
    stderr: &OwnedFd,
) -> Result<(), RuntimeError> {
    let fail = |e| RuntimeError::system("redirect", "standard streams", e);
    let above = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), 3);
    let (stdin, stdout, stderr) =
        (above(stdin).map_err(fail)?, above(stdout).map_err(fail)?, above(stderr).map_err(fail)?);
    rustix::stdio::dup2_stdin(&stdin).map_err(fail)?;
    rustix::stdio::dup2_stdout(&stdout).map_err(fail)?;
    rustix::stdio::dup2_stderr(&stderr).map_err(fail)
}
