//! One attached client: a socket that gets output and may give input.
//!
//! What the socket does not take waits in a queue. The queue's owner stops reading the process'
//! output while any client's queue is above [`QUEUE_LIMIT_BYTES`]: a slow client slows the process
//! down, as in Docker, and memory stays bounded. A client that came later and takes nothing for
//! [`STUCK_TIME`] is dropped: what it misses is in the log.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::EventFlags,
    io::Errno,
    net::{SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown},
};
use shim_protocol::AttachStreams;

use super::{ReadOutcome, StreamKind};
use crate::poller::{Poller, Token, Watch};

/// How much a client may lag behind before the process waits for it.
pub const QUEUE_LIMIT_BYTES: usize = 1 << 20;

/// How long a process waits for a client that looks on and takes nothing at all.
const STUCK_TIME: Duration = Duration::from_secs(10);
/// Sent bytes that are kept at the front of a queue at most, more or less.
const COMPACT_FROM_BYTES: usize = 256 << 10;

/// How output is written to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As it is: there is one stream, a terminal.
    Raw,
    /// Docker's stdcopy: `[1|2, 0, 0, 0, u32 BE length]` before each piece.
    Stdcopy,
}

/// An attached client.
#[derive(Debug)]
pub struct Client {
    /// Distinguishes the clients of a process.
    pub number: u16,
    socket: OwnedFd,
    watch: Watch,
    streams: AttachStreams,
    framing: Framing,
    queue: Vec<u8>,
    sent: usize,
    gives_input: bool,
    is_ending: bool,
    is_hung_up: bool,
    /// Since when the socket has taken nothing of what is queued.
    stuck_since: Option<Instant>,
    arrival: Arrival,
}

/// When a client came, which says what it is to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// With the process: where it reads is where the output goes, as in a pipe. The process waits
    /// for it however long it takes.
    WithProcess,
    /// Later, to look on: the process does not wait long for one that takes nothing.
    Later,
}

impl Client {
    /// Takes the socket. [`Client::update`] puts it into the poll set.
    ///
    /// # Errors
    /// When it is not a socket that can be used without blocking.
    pub fn new(
        number: u16,
        socket: OwnedFd,
        streams: AttachStreams,
        framing: Framing,
        token: Token,
    ) -> io::Result<Self> {
        sys::descriptor::set_nonblocking(socket.as_fd())?;
        Ok(Self {
            number,
            socket,
            watch: Watch::new(token),
            streams,
            framing,
            queue: Vec::new(),
            sent: 0,
            gives_input: streams.stdin,
            is_ending: false,
            is_hung_up: false,
            stuck_since: None,
            arrival: Arrival::WithProcess,
        })
    }

    /// Whether its end means the end of an input.
    #[must_use]
    pub fn gives_input(&self) -> bool {
        self.gives_input
    }

    /// Bytes that wait for the socket.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Notes that it came after the process' start.
    pub fn came_later(&mut self) {
        self.arrival = Arrival::Later;
    }

    /// When it is given up unless it takes something: only one that looks on, and that others
    /// wait for.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let holds_up = self.arrival == Arrival::Later && self.queued_bytes() > QUEUE_LIMIT_BYTES;
        self.stuck_since.filter(|_| holds_up).map(|since| since + STUCK_TIME)
    }

    /// Whether nothing is left to do for it: it may be dropped, which closes the socket.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_ending && self.queued_bytes() == 0
    }

    /// Sends a piece of output, queueing what the socket does not take.
    ///
    /// # Errors
    /// The client is gone.
    pub fn send(&mut self, kind: StreamKind, payload: &[u8]) -> io::Result<()> {
        let is_wanted = match kind {
            StreamKind::Stdout => self.streams.stdout,
            StreamKind::Stderr => self.streams.stderr,
        };
        if !is_wanted || self.is_ending {
            return Ok(());
        }
        let header = frame_header(kind, payload.len());
        let header: &[u8] = if self.framing == Framing::Stdcopy { &header } else { &[] };
        let direct = if self.queue.is_empty() { self.transmit(header, payload)? } else { 0 };
        let in_header = direct.min(header.len());
        self.queue.extend_from_slice(&header[in_header..]);
        self.queue.extend_from_slice(&payload[direct - in_header..]);
        if self.queued_bytes() > 0 {
            self.stuck_since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Sends what is queued, as far as it goes.
    ///
    /// # Errors
    /// The client is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.queued_bytes() > 0 {
            match self.transmit(&[], &self.queue[self.sent..])? {
                0 => {
                    self.compact();
                    return Ok(());
                }
                count => {
                    self.sent += count;
                    self.stuck_since = Some(Instant::now());
                }
            }
        }
        self.stuck_since = None;
        self.queue = Vec::new();
        self.sent = 0;
        Ok(())
    }

    /// Frees what has been sent, even for a client that never quite catches up.
    fn compact(&mut self) {
        if self.sent >= COMPACT_FROM_BYTES {
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// One `sendmsg`; 0 when the socket is full.
    fn transmit(&self, header: &[u8], payload: &[u8]) -> io::Result<usize> {
        let pieces = [IoSlice::new(header), IoSlice::new(payload)];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match sendmsg(&self.socket, &pieces, &mut SendAncillaryBuffer::default(), flags) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads input.
    ///
    /// # Errors
    /// The client is gone.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
        match rustix::io::read(&self.socket, buffer) {
            Ok(0) => Ok(ReadOutcome::End),
            Ok(count) => Ok(ReadOutcome::Bytes(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(ReadOutcome::Empty),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Notes that no more input comes from this client.
    pub fn end_input(&mut self) {
        self.gives_input = false;
    }

    /// Notes that the peer has closed both directions; its last input may still be there.
    pub fn hang_up(&mut self) {
        self.is_hung_up = true;
    }

    /// Whether the peer has closed both directions.
    #[must_use]
    pub fn is_hung_up(&self) -> bool {
        self.is_hung_up
    }

    /// No more output will come: the socket is shut down once the queue is empty.
    pub fn end_output(&mut self) {
        self.is_ending = true;
    }

    /// Brings the poll set in line: input is wanted when `may_read`, room when something waits.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn update(&mut self, may_read: bool, poller: &Poller) -> io::Result<()> {
        let mut wanted = EventFlags::empty();
        wanted.set(EventFlags::IN, self.gives_input && may_read);
        wanted.set(EventFlags::OUT, self.queued_bytes() > 0 && !self.is_hung_up);
        // The kernel would report the hang-up again and again while the input waits its turn.
        let is_silent = self.is_hung_up && wanted.is_empty();
        poller.set(&self.socket, &mut self.watch, (!is_silent).then_some(wanted))
    }

    /// Leaves the poll set and closes. Shuts down first, as other processes may hold copies of
    /// the descriptor for a moment while they are being started, and takes input that nobody
    /// will read out of the socket: otherwise its peer would see a reset instead of the end.
    ///
    /// # Errors
    /// Those of the poll set; a peer that is gone already is none.
    pub fn close(mut self, poller: &Poller) -> io::Result<()> {
        poller.set(&self.socket, &mut self.watch, None)?;
        match shutdown(&self.socket, Shutdown::Both) {
            Ok(()) | Err(Errno::NOTCONN) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut discarded = [0; 4096];
        while let Ok(ReadOutcome::Bytes(_)) = self.read(&mut discarded) {}
        Ok(())
    }
}

fn frame_header(kind: StreamKind, length: usize) -> [u8; 8] {
    // A piece is one read's, far below 4 GiB.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [kind.number(), 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
    };

    use super::*;

    fn attached(framing: Framing, streams: AttachStreams) -> (Client, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = Client::new(0, ours.into(), streams, framing, Token::Listener).unwrap();
        (client, theirs)
    }

    const ALL: AttachStreams = AttachStreams { stdin: true, stdout: true, stderr: true };

    #[test]
    fn frames_are_stdcopys() {
        let (mut client, mut peer) = attached(Framing::Stdcopy, ALL);
        client.send(StreamKind::Stdout, b"out").unwrap();
        client.send(StreamKind::Stderr, b"err!").unwrap();
        drop(client);
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04err!");
    }

    #[test]
    fn unwanted_streams_are_left_out_and_terminals_are_raw() {
        let streams = AttachStreams { stderr: false, ..ALL };
        let (mut client, mut peer) = attached(Framing::Raw, streams);
        client.send(StreamKind::Stderr, b"no").unwrap();
        client.send(StreamKind::Stdout, b"yes").unwrap();
        drop(client);
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "yes");
    }

    #[test]
    fn a_full_socket_queues_and_keeps_every_byte_in_order() {
        let (mut client, mut peer) = attached(Framing::Raw, ALL);
        let pieces: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n; 50_000]).collect();
        for piece in &pieces {
            client.send(StreamKind::Stdout, piece).unwrap();
        }
        assert!(client.queued_bytes() > QUEUE_LIMIT_BYTES, "the socket's own buffer is smaller");
        peer.set_nonblocking(true).unwrap();
        let (mut received, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        while received.len() < 40 * 50_000 {
            client.flush().unwrap();
            while let Ok(count) = peer.read(&mut buffer) {
                received.extend_from_slice(&buffer[..count]);
            }
        }
        assert!(received == pieces.concat());
        client.end_output();
        assert!(client.is_done());
    }

    #[test]
    fn only_a_late_client_that_takes_nothing_has_a_deadline() {
        let (mut client, mut peer) = attached(Framing::Raw, ALL);
        while client.queued_bytes() <= QUEUE_LIMIT_BYTES {
            client.send(StreamKind::Stdout, &[0; 50_000]).unwrap();
        }
        assert_eq!(client.deadline(), None, "it came with the process");
        client.came_later();
        let first = client.deadline().unwrap();
        peer.read_exact(&mut [0; 100_000]).unwrap();
        client.flush().unwrap();
        client.send(StreamKind::Stdout, &[0; 200_000]).unwrap();
        assert!(client.deadline().unwrap() > first, "it has taken something");
    }

    #[test]
    fn unread_input_does_not_turn_the_end_into_a_reset() {
        let (mut client, mut peer) = attached(Framing::Raw, ALL);
        let poller = Poller::new().unwrap();
        client.update(true, &poller).unwrap();
        peer.write_all(b"never read").unwrap();
        client.send(StreamKind::Stdout, b"last").unwrap();
        client.close(&poller).unwrap();
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "last");
    }

    #[test]
    fn a_client_that_is_gone_is_an_error() {
        let (mut client, peer) = attached(Framing::Raw, ALL);
        drop(peer);
        assert!(client.send(StreamKind::Stdout, b"x").is_err());
    }
}
