//! A process under supervision: its streams, its clients, its end.
//!
//! It is finished when it has been reaped *and* its output has been read to the end, so that
//! nothing it wrote is missing from the log when its exit is told.

mod clients;

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    time::{Duration, Instant},
};

use rustix::termios::{Winsize, tcsetwinsize};
use shim_protocol::{AttachStreams, LogPosition};
use types::ExecId;

pub use clients::ClientReadiness;

use crate::{
    buffers::Buffers,
    complaints::Complaints,
    log::Log,
    poller::{Poller, Token},
    stream::{
        Client, Framing, Input, InputPolicy, OurEnds, Output, QUEUE_LIMIT_BYTES, ReadOutcome,
        StreamKind,
    },
};

/// How long streams that a stranger holds open are read after a process has ended.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// Reads of one stream before others get their turn.
const READS_PER_TURN: usize = 8;
/// What pipes and terminals may hold when a process ends: clients may lag this much more.
const LAST_BYTES: usize = 256 << 10;
/// Reads that empty the largest pipe (1 MiB) even if it gives only half a buffer each time.
const LAST_READS: usize = 32;

/// What the streams need of the supervisor.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The poll set.
    pub poller: &'a Poller,
    /// Memory.
    pub buffers: &'a mut Buffers,
    /// Where failures go that nobody waits for.
    pub complaints: &'a Complaints,
}

/// A supervised process.
#[derive(Debug)]
pub struct Process {
    number: u32,
    /// In the shim's pid namespace.
    pub pid: i32,
    /// `None`: init.
    pub exec: Option<ExecId>,
    framing: Framing,
    terminal: Option<OwnedFd>,
    stdout: Option<Output>,
    stderr: Option<Output>,
    input: Option<Input>,
    clients: Vec<Client>,
    next_client: u16,
    log: Option<Log>,
    is_congested: bool,
    is_told: bool,
    exit: Option<Exit>,
}

#[derive(Debug, Clone, Copy)]
struct Exit {
    code: i32,
    deadline: Instant,
}

/// What a process is made of, before it runs.
#[derive(Debug)]
pub struct NewProcess {
    /// Its number in [`Token`]s.
    pub number: u32,
    /// `None`: init.
    pub exec: Option<ExecId>,
    /// How clients get output.
    pub framing: Framing,
    /// What the end of a client's input means.
    pub input_policy: InputPolicy,
    /// Where output is kept.
    pub log: Option<Log>,
}

impl Process {
    /// Takes over a process that has just been started.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn new(new: NewProcess, pid: i32, ours: OurEnds, poller: &Poller) -> io::Result<Self> {
        let number = new.number;
        let output = |fd: Option<OwnedFd>, kind, token| {
            fd.map(|fd| Output::new(kind, fd, token, poller)).transpose()
        };
        Ok(Self {
            number,
            pid,
            exec: new.exec,
            framing: new.framing,
            terminal: ours.terminal,
            stdout: output(ours.stdout, StreamKind::Stdout, Token::Stdout(number))?,
            stderr: output(ours.stderr, StreamKind::Stderr, Token::Stderr(number))?,
            input: ours.stdin.map(|fd| Input::new(fd, new.input_policy, Token::Stdin(number))),
            clients: Vec::new(),
            next_client: 0,
            log: new.log,
            is_congested: false,
            is_told: false,
            exit: None,
        })
    }

    /// Adds a client.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn attach(
        &mut self,
        socket: OwnedFd,
        streams: AttachStreams,
        poller: &Poller,
    ) -> io::Result<()> {
        while self.clients.iter().any(|client| client.number == self.next_client) {
            self.next_client = self.next_client.wrapping_add(1);
        }
        let number = self.next_client;
        self.next_client = self.next_client.wrapping_add(1);
        let token = Token::Client(self.number, number);
        let mut client = Client::new(number, socket, streams, self.framing, token)?;
        client.update(self.may_read_clients(), poller)?;
        self.clients.push(client);
        Ok(())
    }

    /// Adds a client that looks on.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn attach_later(
        &mut self,
        socket: OwnedFd,
        streams: AttachStreams,
        poller: &Poller,
    ) -> io::Result<()> {
        self.attach(socket, streams, poller)?;
        if let Some(client) = self.clients.last_mut() {
            client.came_later();
        }
        Ok(())
    }

    /// Gives the newest client what is in no log yet, and says where the log ends: what is written
    /// from now on goes to both.
    ///
    /// # Errors
    /// The client is gone.
    pub fn continue_log(&mut self, poller: &Poller) -> io::Result<Option<LogPosition>> {
        let may_read = self.may_read_clients();
        let (Some(log), Some(client)) = (&self.log, self.clients.last_mut()) else {
            return Ok(None);
        };
        for kind in [StreamKind::Stdout, StreamKind::Stderr] {
            let unfinished = log.unfinished(kind);
            if !unfinished.is_empty() {
                client.send(kind, unfinished)?;
            }
        }
        client.update(may_read, poller)?;
        Ok(log.position())
    }

    /// Sets the terminal's size; `None` when there is no terminal.
    pub fn resize(&self, width: u16, height: u16) -> Option<io::Result<()>> {
        let size = Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = self.terminal.as_ref()?;
        Some(tcsetwinsize(terminal.as_fd(), size).map_err(io::Error::from))
    }

    /// Opens the log anew.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn reopen_log(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), Log::reopen)
    }

    /// Moves output to the log and the clients.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn pump(&mut self, kind: StreamKind, around: &mut Surroundings<'_>) -> io::Result<()> {
        let mut buffer = around.buffers.take_read();
        let result = self.pump_with(kind, &mut buffer, around);
        around.buffers.give_back(buffer);
        result
    }

    fn pump_with(
        &mut self,
        kind: StreamKind,
        buffer: &mut [u8],
        around: &mut Surroundings<'_>,
    ) -> io::Result<()> {
        for _ in 0..READS_PER_TURN {
            let Some(output) = self.output(kind) else { return Ok(()) };
            match output.read(buffer) {
                Ok(ReadOutcome::Bytes(count)) => {
                    self.deliver(kind, &buffer[..count], around)?;
                    if self.is_congested || count < buffer.len() / 2 {
                        return Ok(());
                    }
                }
                Ok(ReadOutcome::Empty) => return Ok(()),
                Ok(ReadOutcome::End) => return self.end_output(kind, around),
                Err(error) => {
                    around.complaints.add("read the output of a process", &error);
                    return self.end_output(kind, around);
                }
            }
        }
        Ok(())
    }

    fn output(&self, kind: StreamKind) -> Option<&Output> {
        match kind {
            StreamKind::Stdout => self.stdout.as_ref(),
            StreamKind::Stderr => self.stderr.as_ref(),
        }
    }

    /// The log first: what a client has seen is in the log.
    fn deliver(
        &mut self,
        kind: StreamKind,
        bytes: &[u8],
        around: &mut Surroundings<'_>,
    ) -> io::Result<()> {
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(kind, bytes, &mut around.buffers.encoded, around.poller)
        {
            around.complaints.add("write the log", &error);
        }
        let mut gone = Vec::new();
        for client in &mut self.clients {
            if client.send(kind, bytes).is_err() {
                gone.push(client.number);
            }
        }
        for number in gone {
            self.drop_client(number, around.poller)?;
        }
        self.settle(around.poller)
    }

    /// Brings the poll set in line with what is queued where.
    fn settle(&mut self, poller: &Poller) -> io::Result<()> {
        let may_read = self.may_read_clients();
        for client in &mut self.clients {
            client.update(may_read, poller)?;
        }
        let limit = QUEUE_LIMIT_BYTES + if self.exit.is_some() { LAST_BYTES } else { 0 };
        let is_congested = self.clients.iter().any(|client| client.queued_bytes() > limit)
            || self.log.as_ref().is_some_and(Log::is_congested);
        if is_congested != self.is_congested {
            self.is_congested = is_congested;
            for output in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
                output.set_paused(is_congested, poller)?;
            }
        }
        Ok(())
    }

    fn may_read_clients(&self) -> bool {
        self.input.as_ref().is_some_and(Input::is_ready)
    }

    fn end_output(&mut self, kind: StreamKind, around: &mut Surroundings<'_>) -> io::Result<()> {
        let slot = match kind {
            StreamKind::Stdout => &mut self.stdout,
            StreamKind::Stderr => &mut self.stderr,
        };
        if let Some(output) = slot.take() {
            output.close(around.poller)?;
        }
        if let Some(log) = &mut self.log
            && let Err(error) = log.finish(kind, &mut around.buffers.encoded, around.poller)
        {
            around.complaints.add("write the log", &error);
        }
        Ok(())
    }

    /// Notes the end of the process.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn exited(&mut self, code: i32, around: &mut Surroundings<'_>) -> io::Result<()> {
        self.exit = Some(Exit { code, deadline: Instant::now() + DRAIN_TIME });
        if let Some(input) = self.input.take() {
            input.close(around.poller)?;
        }
        self.settle(around.poller)
    }

    /// Whether the process has been reaped.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.exit.is_some()
    }

    /// The exit code, once everything is drained.
    #[must_use]
    pub fn finished(&self) -> Option<i32> {
        let is_drained = self.stdout.is_none() && self.stderr.is_none();
        self.exit.filter(|_| is_drained).map(|exit| exit.code)
    }

    /// The exec session whose end has not been told yet; answers once.
    pub fn take_untold_exec(&mut self) -> Option<ExecId> {
        let id = self.exec.clone().filter(|_| !self.is_told);
        self.is_told = true;
        id
    }

    /// When the draining ends in any case.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.exit.filter(|_| self.finished().is_none()).map(|exit| exit.deadline)
    }

    /// Gives up streams that somebody outside still holds open, once the deadline has passed.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn expire(&mut self, now: Instant, around: &mut Surroundings<'_>) -> io::Result<()> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        for kind in [StreamKind::Stdout, StreamKind::Stderr] {
            // What is there is taken; what comes after the deadline is not the process' own.
            self.drain(kind, around)?;
            if self.output(kind).is_some() {
                self.end_output(kind, around)?;
            }
        }
        Ok(())
    }

    /// Reads what is left whether or not clients keep up. Bounded by what a pipe can hold.
    fn drain(&mut self, kind: StreamKind, around: &mut Surroundings<'_>) -> io::Result<()> {
        let mut buffer = around.buffers.take_read();
        let mut result = Ok(());
        for _ in 0..LAST_READS {
            match self.output(kind).map(|output| output.read(&mut buffer)) {
                Some(Ok(ReadOutcome::Bytes(count))) => {
                    result = result.and(self.deliver(kind, &buffer[..count], around));
                }
                _ => break,
            }
        }
        around.buffers.give_back(buffer);
        result
    }

    /// Lets the clients go as soon as they have taken everything.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn end_clients(&mut self, poller: &Poller) -> io::Result<()> {
        let mut done = Vec::new();
        for client in &mut self.clients {
            client.end_output();
            if client.flush().is_err() || client.is_done() {
                done.push(client.number);
            }
        }
        for number in done {
            self.drop_client(number, poller)?;
        }
        self.settle(poller)
    }

    /// Whether clients or a logger still have output to take.
    #[must_use]
    pub fn is_lingering(&self) -> bool {
        !self.clients.is_empty() || self.log.as_ref().is_some_and(Log::is_pending)
    }

    /// Serves the logger.
    ///
    /// # Errors
    /// Those of the poll set.
    pub fn serve_log(&mut self, around: &mut Surroundings<'_>) -> io::Result<()> {
        if let Some(log) = &mut self.log
            && let Err(error) = log.serve(around.poller)
        {
            around.complaints.add("send to the logger", &error);
        }
        self.settle(around.poller)
    }

    /// When the logger is to be served without being asked.
    #[must_use]
    pub fn log_deadline(&self) -> Option<Instant> {
        self.log.as_ref().and_then(Log::deadline)
    }
}
