//! The writing end of standard input.
//!
//! Holds at most one read's worth of bytes that the process has not taken yet; while there are
//! any, no client is read, so that back pressure reaches the client.

use std::{io, os::fd::OwnedFd};

use rustix::{event::epoll::EventFlags, io::Errno};

use crate::poller::{Poller, Token, Watch};

/// What the end of a client's input means to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputPolicy {
    /// The first client's end is the end of standard input.
    CloseWithClient,
    /// Standard input outlives its clients (and terminals never see an end).
    KeepOpen,
}

/// A pipe's writing end or a terminal.
#[derive(Debug)]
pub struct Input {
    fd: OwnedFd,
    watch: Watch,
    policy: InputPolicy,
    pending: Vec<u8>,
    is_ending: bool,
}

/// Whether standard input is still of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum InputState {
    /// It is.
    Open,
    /// Everything is written and no more may come, or the process has closed it.
    Finished,
}

impl Input {
    /// Takes the descriptor; it is not watched until it is full.
    #[must_use]
    pub fn new(fd: OwnedFd, policy: InputPolicy, token: Token) -> Self {
        Self { fd, watch: Watch::new(token), policy, pending: Vec::new(), is_ending: false }
    }

    /// Whether clients may be read.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pending.is_empty() && !self.is_ending
    }

    /// Passes bytes on, keeping what the process does not take.
    ///
    /// # Errors
    /// Those of writing and of the poll set.
    pub fn write(&mut self, bytes: &[u8], poller: &Poller) -> io::Result<InputState> {
        debug_assert!(self.is_ready(), "clients are not read while input is pending");
        self.pending.extend_from_slice(bytes);
        self.flush(poller)
    }

    /// Notes that a client has ended its input or is gone.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn client_ended(&mut self, poller: &Poller) -> io::Result<InputState> {
        if self.policy == InputPolicy::CloseWithClient {
            self.is_ending = true;
        }
        self.flush(poller)
    }

    /// Writes what is pending, as far as it goes.
    ///
    /// # Errors
    /// Those of writing and of the poll set.
    pub fn flush(&mut self, poller: &Poller) -> io::Result<InputState> {
        let mut written = 0;
        let outcome = loop {
            if written == self.pending.len() {
                break Ok(());
            }
            match rustix::io::write(&self.fd, &self.pending[written..]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(errno) => break Err(errno),
            }
        };
        self.pending.drain(..written);
        match outcome {
            Ok(()) => self.pending = Vec::new(),
            Err(Errno::AGAIN) => {}
            // The process has closed its standard input, or its terminal is gone.
            Err(Errno::PIPE | Errno::IO) => return Ok(InputState::Finished),
            Err(errno) => return Err(errno.into()),
        }
        let wanted = (!self.pending.is_empty()).then_some(EventFlags::OUT);
        poller.set(&self.fd, &mut self.watch, wanted)?;
        let is_done = self.is_ending && self.pending.is_empty();
        Ok(if is_done { InputState::Finished } else { InputState::Open })
    }

    /// Stops watching and closes.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn close(mut self, poller: &Poller) -> io::Result<()> {
        poller.set(&self.fd, &mut self.watch, None)
    }
}
