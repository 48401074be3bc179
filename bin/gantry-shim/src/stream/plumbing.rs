//! Making the descriptors that a process is born with, and our ends of them.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags, open},
    pipe::{PipeFlags, pipe_with},
};

/// Where a process without a terminal reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdinSource {
    /// A pipe that attached clients write to.
    Pipe,
    /// `/dev/null`.
    Null,
}

/// What the child gets.
#[derive(Debug)]
pub enum ChildStdio {
    /// Three descriptors.
    Fds {
        /// Descriptor 0.
        stdin: OwnedFd,
        /// Descriptor 1.
        stdout: OwnedFd,
        /// Descriptor 2.
        stderr: OwnedFd,
    },
    /// A pseudo terminal of the container's own, to be made by the runtime.
    Terminal,
}

/// What the shim keeps; all non-blocking.
#[derive(Debug, Default)]
pub struct OurEnds {
    /// To descriptor 0, or the terminal.
    pub stdin: Option<OwnedFd>,
    /// From descriptor 1, or the terminal.
    pub stdout: Option<OwnedFd>,
    /// From descriptor 2.
    pub stderr: Option<OwnedFd>,
    /// The terminal itself, for its size.
    pub terminal: Option<OwnedFd>,
}

/// Both sides of a new process' streams.
#[derive(Debug)]
pub struct Plumbing {
    /// For the launch.
    pub child: ChildStdio,
    /// For the supervisor.
    pub ours: OurEnds,
}

impl Plumbing {
    /// Makes pipes.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub fn pipes(source: StdinSource) -> io::Result<Self> {
        let (stdin, our_stdin) = match source {
            StdinSource::Pipe => {
                let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
                (reader, Some(writer))
            }
            StdinSource::Null => {
                (open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?, None)
            }
        };
        let (our_stdout, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (our_stderr, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        // Only our ends: the child's are other open file descriptions, and stay blocking.
        for fd in [Some(&our_stdout), Some(&our_stderr), our_stdin.as_ref()].into_iter().flatten() {
            sys::descriptor::set_nonblocking(fd.as_fd())?;
        }
        Ok(Self {
            child: ChildStdio::Fds { stdin, stdout, stderr },
            ours: OurEnds {
                stdin: our_stdin,
                stdout: Some(our_stdout),
                stderr: Some(our_stderr),
                terminal: None,
            },
        })
    }

    /// Leaves the streams to a terminal that comes with the launch's result.
    #[must_use]
    pub fn terminal() -> Self {
        Self { child: ChildStdio::Terminal, ours: OurEnds::default() }
    }
}

impl OurEnds {
    /// Takes the terminal that the runtime has made: separate descriptors for reading and writing,
    /// so that each has its own place in the poll set.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub fn use_terminal(&mut self, terminal: OwnedFd, source: StdinSource) -> io::Result<()> {
        sys::descriptor::set_nonblocking(terminal.as_fd())?;
        self.stdout = Some(terminal.try_clone()?);
        self.stdin = match source {
            StdinSource::Pipe => Some(terminal.try_clone()?),
            StdinSource::Null => None,
        };
        self.terminal = Some(terminal);
        Ok(())
    }
}
