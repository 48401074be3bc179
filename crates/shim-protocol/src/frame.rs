//! Framing over a connected unix stream socket, without blocking and without owning the socket.
//!
//! [`Decoder`] gathers bytes and descriptors as they come, [`Outbox`] keeps what the socket does
//! not take yet. Both work on a blocking socket, in a poll loop, and below an async readiness
//! guard alike. A message's descriptors are sent with its first byte; the kernel never delivers
//! them later than that byte, so a first-in-first-out queue assigns them to the right message.
//!
//! Refuses: lengths above [`MAX_MESSAGE_BYTES`], more than [`MAX_FDS`] descriptors at once,
//! truncated control data. After any error the connection is unusable and is to be closed.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{MAX_FDS, MAX_MESSAGE_BYTES};

const HEADER_BYTES: usize = 4;
const READ_CHUNK_BYTES: usize = 64 << 10;
const FIRST_READ_BYTES: usize = 4 << 10;

/// Why a connection is unusable.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer announced more than the protocol allows, or we were to send it.
    #[error("message of {0} bytes exceeds the limit of {MAX_MESSAGE_BYTES}")]
    TooLarge(usize),
    /// More descriptors than the protocol allows came or were to be sent.
    #[error("{0} file descriptors exceed the limit of {MAX_FDS}")]
    TooManyFds(usize),
    /// A message names descriptors that did not come with it.
    #[error("message carries {found} file descriptors, {expected} are expected")]
    MissingFds {
        /// As the message says.
        expected: usize,
        /// As received.
        found: usize,
    },
    /// The kernel cut control data off: a peer that does not keep to the limits.
    #[error("control data of a message was truncated")]
    Truncated,
    /// Not a message of this protocol.
    #[error("malformed message")]
    Json(#[source] serde_json::Error),
    /// The value cannot be written as JSON.
    #[error("message cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// `recvmsg` failed.
    #[error("receive")]
    Receive(#[source] io::Error),
    /// `sendmsg` failed.
    #[error("send")]
    Send(#[source] io::Error),
    /// The peer closed the connection within a message.
    #[error("connection ended within a message")]
    UnexpectedEnd,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes came: ask for messages.
    Read,
    /// Nothing is there now (non-blocking sockets).
    WouldBlock,
    /// The peer has closed its side between two messages.
    End,
}

/// Gathers messages from a stream.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Decoder {
    /// Makes an empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Receives once.
    ///
    /// # Errors
    /// See [`FrameError`]; the connection is then to be closed.
    pub fn read_from(&mut self, socket: impl AsFd) -> Result<Progress, FrameError> {
        let start = self.bytes.len();
        self.bytes.resize(start + self.wanted_bytes()?, 0);
        let received = receive(socket, &mut self.bytes[start..], &mut self.fds);
        self.bytes.truncate(start + received.as_ref().copied().unwrap_or(0));
        match received {
            Err(FrameError::Receive(e)) if e.kind() == io::ErrorKind::WouldBlock => {
                Ok(Progress::WouldBlock)
            }
            Err(e) => Err(e),
            Ok(0) if self.bytes.is_empty() => Ok(Progress::End),
            Ok(0) => Err(FrameError::UnexpectedEnd),
            Ok(_) => Ok(Progress::Read),
        }
    }

    /// Takes the next complete message, if one is there.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] and [`FrameError::Json`].
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(length) = self.announced_bytes()? else { return Ok(None) };
        let end = HEADER_BYTES + length;
        if self.bytes.len() < end {
            return Ok(None);
        }
        let message =
            serde_json::from_slice(&self.bytes[HEADER_BYTES..end]).map_err(FrameError::Json)?;
        if self.bytes.len() == end {
            // Gives the memory back: a start message is large, the rest of a shim's life is not.
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..end);
        }
        Ok(Some(message))
    }

    /// Takes the descriptors of the message that was returned last.
    ///
    /// # Errors
    /// [`FrameError::MissingFds`] when fewer have come.
    pub fn take_fds(&mut self, count: usize) -> Result<Vec<OwnedFd>, FrameError> {
        if self.fds.len() < count {
            return Err(FrameError::MissingFds { expected: count, found: self.fds.len() });
        }
        let taken = self.fds.drain(..count).collect();
        if self.fds.is_empty() {
            self.fds = VecDeque::new();
        }
        Ok(taken)
    }

    fn announced_bytes(&self) -> Result<Option<usize>, FrameError> {
        let Some(header) = self.bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_MESSAGE_BYTES {
            Err(FrameError::TooLarge(length))
        } else {
            Ok(Some(length))
        }
    }

    /// How much to ask for: the rest of a large message in big steps, else little.
    fn wanted_bytes(&self) -> Result<usize, FrameError> {
        let missing = match self.announced_bytes()? {
            Some(length) => (HEADER_BYTES + length).saturating_sub(self.bytes.len()),
            None => 0,
        };
        Ok(missing.clamp(FIRST_READ_BYTES, READ_CHUNK_BYTES))
    }
}

fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    fds: &mut VecDeque<OwnedFd>,
) -> Result<usize, FrameError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other.map_err(|e| FrameError::Receive(e.into()))?,
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(FrameError::Truncated);
    }
    if fds.len() > MAX_FDS {
        return Err(FrameError::TooManyFds(fds.len()));
    }
    Ok(received.bytes)
}

/// A message that waits for the socket.
#[derive(Debug)]
struct Pending {
    bytes: Vec<u8>,
    sent: usize,
    fds: Vec<OwnedFd>,
}

/// Messages on their way out, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Pending>,
}

impl Outbox {
    /// Makes an empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message and the descriptors that go with it.
    ///
    /// # Errors
    /// [`FrameError::Encode`], [`FrameError::TooLarge`], [`FrameError::TooManyFds`]; the outbox is
    /// as before.
    pub fn push<T: Serialize>(&mut self, message: &T, fds: Vec<OwnedFd>) -> Result<(), FrameError> {
        if fds.len() > MAX_FDS {
            return Err(FrameError::TooManyFds(fds.len()));
        }
        self.queue.push_back(Pending { bytes: encode(message)?, sent: 0, fds });
        Ok(())
    }

    /// Whether everything has been handed to the kernel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that wait: lets a server drop a peer that does not read.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.queue.iter().map(|pending| pending.bytes.len() - pending.sent).sum()
    }

    /// Sends as much as the socket takes; `true` when nothing is left.
    ///
    /// # Errors
    /// [`FrameError::Send`]; the connection is then to be closed.
    pub fn flush(&mut self, socket: impl AsFd) -> Result<bool, FrameError> {
        while let Some(pending) = self.queue.front_mut() {
            match send(&socket, pending) {
                Ok(sent) => pending.sent += sent,
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(FrameError::Send(errno.into())),
            }
            // The descriptors went with the first byte; ours are closed at once.
            pending.fds = Vec::new();
            if pending.sent == pending.bytes.len() {
                self.queue.pop_front();
            }
        }
        self.queue = VecDeque::new();
        Ok(true)
    }
}

fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut bytes, message).map_err(FrameError::Encode)?;
    let length = bytes.len() - HEADER_BYTES;
    if length > MAX_MESSAGE_BYTES {
        return Err(FrameError::TooLarge(length));
    }
    let header = u32::try_from(length).map_err(|_| FrameError::TooLarge(length))?;
    bytes[..HEADER_BYTES].copy_from_slice(&header.to_le_bytes());
    Ok(bytes)
}

fn send(socket: impl AsFd, pending: &Pending) -> rustix::io::Result<usize> {
    let fds: Vec<_> = pending.fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        let fits = control.push(SendAncillaryMessage::ScmRights(&fds));
        debug_assert!(fits, "`push` bounds the number of descriptors to the space");
    }
    let bytes = [IoSlice::new(&pending.bytes[pending.sent..])];
    sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
    };

    use super::*;

    fn pipe() -> (File, OwnedFd) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        (reader.into(), writer)
    }

    #[test]
    fn messages_and_their_descriptors_arrive_together_and_in_order() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut first_reader, first) = pipe();
        let (mut second_reader, second) = pipe();
        let mut outbox = Outbox::new();
        outbox.push(&"plain", vec![]).unwrap();
        outbox.push(&"one", vec![first]).unwrap();
        outbox.push(&"two", vec![second]).unwrap();
        assert!(outbox.flush(&ours).unwrap());

        let mut decoder = Decoder::new();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            assert_eq!(decoder.read_from(&theirs).unwrap(), Progress::Read);
            while let Some(text) = decoder.next_message::<String>().unwrap() {
                let count = usize::from(text != "plain");
                for fd in decoder.take_fds(count).unwrap() {
                    File::from(fd).write_all(text.as_bytes()).unwrap();
                }
                seen.push(text);
            }
        }
        assert_eq!(seen, ["plain", "one", "two"]);
        let mut text = String::new();
        first_reader.read_to_string(&mut text).unwrap();
        second_reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "onetwo", "each descriptor went with its own message");
        drop(ours);
        assert_eq!(decoder.read_from(&theirs).unwrap(), Progress::End);
    }

    #[test]
    fn a_message_larger_than_the_socket_buffer_passes_in_steps() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let large = "x".repeat(5 << 20);
        let (mut outbox, mut decoder) = (Outbox::new(), Decoder::new());
        outbox.push(&large, vec![]).unwrap();
        let received = loop {
            outbox.flush(&ours).unwrap();
            while decoder.read_from(&theirs).unwrap() == Progress::Read {}
            if let Some(text) = decoder.next_message::<String>().unwrap() {
                break text;
            }
        };
        assert!(received == large && outbox.is_empty());
    }

    #[test]
    fn hostile_lengths_and_missing_descriptors_are_refused() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&u32::MAX.to_le_bytes()).unwrap();
        let mut decoder = Decoder::new();
        decoder.read_from(&theirs).unwrap();
        assert!(matches!(decoder.next_message::<String>(), Err(FrameError::TooLarge(_))));
        assert!(matches!(
            Decoder::new().take_fds(1),
            Err(FrameError::MissingFds { expected: 1, found: 0 })
        ));
    }

    #[test]
    fn an_end_within_a_message_is_an_error() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(&[10, 0, 0, 0, b'"']).unwrap();
        drop(ours);
        let mut decoder = Decoder::new();
        assert_eq!(decoder.read_from(&theirs).unwrap(), Progress::Read);
        assert!(decoder.next_message::<String>().unwrap().is_none());
        assert!(matches!(decoder.read_from(&theirs), Err(FrameError::UnexpectedEnd)));
    }

    #[test]
    fn too_many_descriptors_are_refused_before_sending() {
        let (_, writer) = pipe();
        let fds = (0..=MAX_FDS).map(|_| writer.try_clone().unwrap()).collect();
        assert!(matches!(Outbox::new().push(&(), fds), Err(FrameError::TooManyFds(33))));
    }
}
