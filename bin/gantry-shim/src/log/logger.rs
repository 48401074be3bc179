//! The connection to a `gantry-logger`, which sends messages to a sink outside.
//!
//! The shim knows no network: it hands whole frames over a socket and keeps at most
//! [`QUEUE_LIMIT_BYTES`] that the logger has not taken. Beyond that the container waits (blocking
//! delivery) or frames are dropped. A logger that ends is started again, at growing intervals;
//! meanwhile nobody waits for it.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use container_log::wire;
use rustix::{
    event::epoll::EventFlags,
    io::Errno,
    net::{SendFlags, send},
};
use shim_protocol::LogSink;

use crate::poller::{Poller, Token, Watch};

/// How much may wait for the logger.
pub const QUEUE_LIMIT_BYTES: usize = 256 << 10;
/// How long a logger may take to reach its sink at the container's start.
const START_TIME: Duration = Duration::from_secs(20);
/// Waits before a logger that ended is started again; they double.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// A failure's text.
const MAX_FAILURE_BYTES: u64 = 64 << 10;

/// A logger, running or about to be started again.
#[derive(Debug)]
pub struct Logger {
    sink: LogSink,
    token: Token,
    connection: Option<Connection>,
    /// Whole frames each; of the first, `sent` bytes are gone.
    queue: VecDeque<Vec<u8>>,
    sent: usize,
    queued_bytes: usize,
    retry: Option<Instant>,
    pause: Duration,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    watch: Watch,
}

impl Logger {
    /// Starts a logger and waits until its sink is reached.
    ///
    /// # Errors
    /// The logger's own words, or why it could not be started.
    pub fn start(sink: LogSink, token: Token, poller: &Poller) -> io::Result<Self> {
        let socket = spawn(&sink)?;
        wait_until_ready(&socket)?;
        let mut logger = Self {
            sink,
            token,
            connection: None,
            queue: VecDeque::new(),
            sent: 0,
            queued_bytes: 0,
            retry: None,
            pause: FIRST_RETRY,
        };
        logger.connect(socket, poller)?;
        Ok(logger)
    }

    fn connect(&mut self, socket: UnixStream, poller: &Poller) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        self.connection = Some(Connection { socket: socket.into(), watch: Watch::new(self.token) });
        self.retry = None;
        self.update(poller)
    }

    /// Sends whole frames, keeping what the logger does not take.
    ///
    /// # Errors
    /// The logger is gone; it will be started again.
    pub fn send(&mut self, frames: Vec<u8>, poller: &Poller) -> io::Result<()> {
        let is_full = self.queued_bytes >= QUEUE_LIMIT_BYTES;
        let may_wait = self.sink.is_blocking && self.connection.is_some();
        if !frames.is_empty() && (!is_full || may_wait) {
            self.queued_bytes += frames.len();
            self.queue.push_back(frames);
        }
        self.flush(poller)
    }

    /// Serves the socket, and starts the logger again when the time has come.
    ///
    /// # Errors
    /// What the logger complains of; when it is gone, it will be started again.
    pub fn serve(&mut self, poller: &Poller) -> io::Result<()> {
        if self.retry.is_some_and(|at| Instant::now() >= at) {
            self.retry = None;
            match spawn(&self.sink).and_then(|socket| self.connect(socket, poller)) {
                Ok(()) => {}
                Err(error) => return self.lose(error, poller),
            }
        }
        match self.listen() {
            Ok(None) => self.flush(poller),
            Ok(Some(complaint)) => {
                self.flush(poller)?;
                Err(io::Error::other(complaint))
            }
            Err(error) => self.lose(error, poller),
        }
    }

    /// What a logger says: that it is ready, and what it complains of. Its end is an error.
    fn listen(&mut self) -> io::Result<Option<String>> {
        let Some(connection) = &self.connection else { return Ok(None) };
        let mut said = [0; 4096];
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match rustix::io::read(&connection.socket, &mut said) {
            Ok(0) => Err(io::Error::other("the logger has ended")),
            Ok(count) => match said[0] {
                wire::FAILED => Err(io::Error::other(text(&said[1..count]))),
                wire::COMPLAINT => Ok(Some(text(&said[1..count]))),
                _ => {
                    self.pause = FIRST_RETRY;
                    Ok(None)
                }
            },
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn flush(&mut self, poller: &Poller) -> io::Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        while let Some(front) = self.queue.front() {
            match send(&connection.socket, &front[self.sent..], SendFlags::NOSIGNAL) {
                Ok(count) => {
                    self.sent += count;
                    self.queued_bytes -= count;
                    if self.sent == front.len() {
                        self.queue.pop_front();
                        self.sent = 0;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return self.lose(errno.into(), poller),
            }
        }
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        self.update(poller)
    }

    fn update(&mut self, poller: &Poller) -> io::Result<()> {
        let mut wanted = EventFlags::IN;
        wanted.set(EventFlags::OUT, !self.queue.is_empty());
        match &mut self.connection {
            Some(connection) => poller.set(&connection.socket, &mut connection.watch, Some(wanted)),
            None => Ok(()),
        }
    }

    /// Gives the connection up; the frame that was on its way is lost.
    fn lose(&mut self, error: io::Error, poller: &Poller) -> io::Result<()> {
        if let Some(Connection { socket, mut watch }) = self.connection.take() {
            poller.set(&socket, &mut watch, None)?;
        }
        if self.sent > 0
            && let Some(front) = self.queue.front_mut()
        {
            let rest = front.len() - self.sent;
            let boundary = next_boundary(front, self.sent);
            front.drain(..boundary);
            self.queued_bytes -= rest - front.len();
            self.sent = 0;
        }
        self.retry = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LAST_RETRY);
        Err(error)
    }

    /// Whether the container has to wait.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.sink.is_blocking && self.connection.is_some() && self.queued_bytes >= QUEUE_LIMIT_BYTES
    }

    /// Whether the logger has not taken everything.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.queue.is_empty() && self.connection.is_some()
    }

    /// When to start the logger again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.retry
    }
}

/// The first end of a frame at or behind `sent`.
fn next_boundary(frames: &[u8], sent: usize) -> usize {
    let mut at = 0;
    while at < sent {
        let Some(length) = frames.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
            return frames.len();
        };
        at += 4 + u32::from_le_bytes(*length) as usize;
    }
    at.min(frames.len())
}

/// Starts the program with our socket as its standard input, and tells it what to do.
fn spawn(sink: &LogSink) -> io::Result<UnixStream> {
    let (mut ours, theirs) = UnixStream::pair()?;
    // Not waited for: the supervisor reaps every child.
    let spawned = Command::new(&sink.program)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.map_err(|error| {
        io::Error::new(error.kind(), format!("start {}: {error}", sink.program.display()))
    })?;
    let mut frame = Vec::new();
    wire::put_frame(&mut frame, sink.configuration.as_bytes());
    // Far below what a socket takes at once, unless labels are huge; a logger that does not read
    // must not keep the shim.
    ours.set_write_timeout(Some(START_TIME))?;
    ours.write_all(&frame)?;
    Ok(ours)
}

fn wait_until_ready(mut socket: &UnixStream) -> io::Result<()> {
    socket.set_read_timeout(Some(START_TIME))?;
    let mut answer = [0];
    let failure = match socket.read(&mut answer) {
        Ok(1) if answer[0] == wire::READY => return Ok(()),
        Ok(0) => "the logger has ended".to_owned(),
        Ok(_) => {
            let mut text = String::new();
            socket.take(MAX_FAILURE_BYTES).read_to_string(&mut text)?;
            text
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            "the logger did not reach its sink in time".to_owned()
        }
        Err(error) => return Err(error),
    };
    Err(io::Error::other(failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(script: &str, is_blocking: bool) -> (tempfile::TempDir, LogSink) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("logger");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let sink = LogSink { program, configuration: "{}".to_owned(), is_blocking, cache: None };
        (dir, sink)
    }

    #[test]
    fn the_loggers_own_words_are_the_failure() {
        let poller = Poller::new().unwrap();
        let (_dir, sink) = sink(r"head -c 6 >/dev/null; printf '\001dial tcp: refused' >&0", true);
        let error = Logger::start(sink, Token::Logger(0), &poller).unwrap_err();
        assert_eq!(error.to_string(), "dial tcp: refused");
    }

    #[test]
    fn a_logger_that_takes_nothing_makes_a_blocking_container_wait_and_no_other() {
        for is_blocking in [true, false] {
            let poller = Poller::new().unwrap();
            let (_dir, sink) = sink(r"printf '\000' >&0; exec sleep 15", is_blocking);
            let mut logger = Logger::start(sink, Token::Logger(0), &poller).unwrap();
            for _ in 0..1000 {
                let mut frames = Vec::new();
                wire::put_frame(&mut frames, &[b'x'; 4000]);
                if !logger.is_congested() {
                    logger.send(frames, &poller).unwrap();
                }
            }
            assert_eq!(logger.is_congested(), is_blocking);
            assert!(logger.queued_bytes <= QUEUE_LIMIT_BYTES + 4004);
            assert!(logger.is_pending());
        }
    }

    #[test]
    fn a_logger_that_ends_is_noticed_and_nobody_waits_for_it() {
        let poller = Poller::new().unwrap();
        // It takes its configuration, so that the end comes after the start and not in it.
        let (_dir, sink) = sink(r"head -c 6 >/dev/null; printf '\000' >&0", true);
        let mut logger = Logger::start(sink, Token::Logger(0), &poller).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while logger.serve(&poller).is_ok() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert!(logger.deadline().is_some());
        for _ in 0..200 {
            logger.send(vec![0; 4004], &poller).unwrap();
        }
        assert!(!logger.is_congested() && !logger.is_pending());
        assert!(logger.queued_bytes <= QUEUE_LIMIT_BYTES + 4004);
    }

    #[test]
    fn what_is_left_of_a_broken_connection_begins_with_a_whole_frame() {
        let mut frames = Vec::new();
        wire::put_frame(&mut frames, b"one");
        wire::put_frame(&mut frames, b"second");
        assert_eq!(next_boundary(&frames, 0), 0);
        assert_eq!(next_boundary(&frames, 1), 7);
        assert_eq!(next_boundary(&frames, 7), 7);
        assert_eq!(next_boundary(&frames, 8), 17);
    }
}
