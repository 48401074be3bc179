//! The reading end of one output stream.

use std::{io, os::fd::OwnedFd};

use rustix::{event::epoll::EventFlags, io::Errno};

use super::StreamKind;
use crate::poller::{Poller, Token, Watch};

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
    Empty,
    /// Every writer is gone.
    End,
}

/// A pipe's reading end or a terminal.
#[derive(Debug)]
pub struct Output {
    /// Which stream.
    pub kind: StreamKind,
    fd: OwnedFd,
    watch: Watch,
}

impl Output {
    /// Starts to watch the stream.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn new(kind: StreamKind, fd: OwnedFd, token: Token, poller: &Poller) -> io::Result<Self> {
        let mut output = Self { kind, fd, watch: Watch::new(token) };
        output.set_paused(false, poller)?;
        Ok(output)
    }

    /// Stops or resumes reading. A paused stream leaves the poll set altogether: the kernel
    /// reports a hang-up whether it is asked for or not.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn set_paused(&mut self, is_paused: bool, poller: &Poller) -> io::Result<()> {
        let wanted = (!is_paused).then_some(EventFlags::IN);
        poller.set(&self.fd, &mut self.watch, wanted)
    }

    /// Reads once.
    ///
    /// # Errors
    /// The kernel's, other than those that mean "nothing" or "the end".
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
        match rustix::io::read(&self.fd, buffer) {
            Ok(0) => Ok(ReadOutcome::End),
            Ok(count) => Ok(ReadOutcome::Bytes(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(ReadOutcome::Empty),
            // What a terminal says when its last user has closed it.
            Err(Errno::IO) => Ok(ReadOutcome::End),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Stops watching, for good.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn close(mut self, poller: &Poller) -> io::Result<()> {
        poller.set(&self.fd, &mut self.watch, None)
    }
}
