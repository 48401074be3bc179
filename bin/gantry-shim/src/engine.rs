//! A connection to an engine.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::event::epoll::EventFlags;
use shim_protocol::{
    Call, FromShim, Hello,
    frame::{Decoder, FrameError, Outbox, Progress},
};

use crate::poller::{Poller, Token, Watch};

/// An engine that reads nothing is dropped when this much waits for it.
const MAX_PENDING_BYTES: usize = 4 << 20;

/// A call with the descriptors that came along.
#[derive(Debug)]
pub struct Received {
    /// What is asked.
    pub call: Call,
    /// As many as the request names.
    pub fds: Vec<OwnedFd>,
}

/// One engine's connection.
#[derive(Debug)]
pub struct Engine {
    /// In [`Token::Engine`].
    pub number: u32,
    socket: OwnedFd,
    watch: Watch,
    decoder: Decoder,
    outbox: Outbox,
}

impl Engine {
    /// Takes the socket and greets.
    ///
    /// # Errors
    /// The peer is gone, or the poll set is full.
    pub fn new(number: u32, socket: OwnedFd, hello: Hello, poller: &Poller) -> io::Result<Self> {
        sys::descriptor::set_nonblocking(socket.as_fd())?;
        let mut engine = Self {
            number,
            socket,
            watch: Watch::new(Token::Engine(number)),
            decoder: Decoder::new(),
            outbox: Outbox::new(),
        };
        engine.send(&FromShim::Hello(hello), poller).map_err(io::Error::other)?;
        Ok(engine)
    }

    /// Sends a message, now or when there is room.
    ///
    /// # Errors
    /// The peer is gone or does not read.
    pub fn send(&mut self, message: &FromShim, poller: &Poller) -> Result<(), FrameError> {
        self.outbox.push(message, Vec::new())?;
        self.flush(poller)
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// The peer is gone or does not read.
    pub fn flush(&mut self, poller: &Poller) -> Result<(), FrameError> {
        let is_empty = self.outbox.flush(&self.socket)?;
        if self.outbox.pending_bytes() > MAX_PENDING_BYTES {
            return Err(FrameError::TooLarge(self.outbox.pending_bytes()));
        }
        let mut wanted = EventFlags::IN;
        wanted.set(EventFlags::OUT, !is_empty);
        poller.set(&self.socket, &mut self.watch, Some(wanted)).map_err(FrameError::Send)
    }

    /// Whether everything has been sent.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Receives once; `false` when the engine has closed the connection.
    ///
    /// # Errors
    /// The connection is unusable.
    pub fn receive(&mut self) -> Result<bool, FrameError> {
        Ok(self.decoder.read_from(&self.socket)? != Progress::End)
    }

    /// Takes the next complete call.
    ///
    /// # Errors
    /// The connection is unusable.
    pub fn next_call(&mut self) -> Result<Option<Received>, FrameError> {
        let Some(call) = self.decoder.next_message::<Call>()? else { return Ok(None) };
        let fds = self.decoder.take_fds(call.request.fd_count())?;
        Ok(Some(Received { call, fds }))
    }

    /// Leaves the poll set and closes.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn close(mut self, poller: &Poller) -> io::Result<()> {
        poller.set(&self.socket, &mut self.watch, None)
    }
}
