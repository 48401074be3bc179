//! The loop: waits for descriptors, serves them, and ends when the shim is no longer needed.
//!
//! The container's state is one enum: `Idle` until a `Start` succeeds, `Running` until init has
//! ended and everything it wrote is in the log, then `Exited` until an engine releases the shim.

use std::{
    collections::BTreeMap,
    io,
    os::{fd::OwnedFd, unix::net::UnixListener},
    time::{Duration, Instant},
};

use rustix::event::epoll::EventFlags;
use shim_protocol::{ContainerStatus, Event, ExitRecord, FromShim, Hello, Reply};

use crate::{
    backend::Backend,
    buffers::Buffers,
    complaints::Complaints,
    directory::Directory,
    engine::{Engine, Received},
    poller::{Poller, Ready, Token, Watch},
    process::{ClientReadiness, Process, Surroundings},
    stream::StreamKind,
};

/// Init's number among the processes.
pub(crate) const INIT: u32 = 0;
/// How long buffers are kept after the last byte.
const BUFFER_REST: Duration = Duration::from_secs(1);
/// How long clients may take for the last output after a release.
const LINGER_TIME: Duration = Duration::from_secs(60);

/// What the container does.
#[derive(Debug)]
pub(crate) enum State {
    Idle,
    Running(Container),
    Exited(ExitRecord),
}

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) backend: Backend,
    pub(crate) started_at_nanos: i64,
    pub(crate) is_paused: bool,
    pub(crate) memory: Memory,
}

/// What is known of the container's shortages of memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Readable when memory ran out.
    pub(crate) watch: Option<(OwnedFd, Watch)>,
    /// Kills that have been told.
    pub(crate) kills: u64,
    /// The kernel tells of the shortage before it kills: when to look for the kill, and the pause
    /// before that.
    pub(crate) recheck: Option<(Instant, Duration)>,
}

/// The shim.
#[derive(Debug)]
pub struct Supervisor {
    pub(crate) poller: Poller,
    pub(crate) directory: Directory,
    pub(crate) complaints: Complaints,
    pub(crate) buffers: Buffers,
    pub(crate) state: State,
    pub(crate) processes: BTreeMap<u32, Process>,
    pub(crate) next_process: u32,
    /// Ends of exec sessions that no engine was there to hear.
    pub(crate) unheard: Vec<Event>,
    /// The mounts of a container that has ended.
    pub(crate) mounts: Option<OwnedFd>,
    /// When the shim ends whatever clients still have to take; set by a release.
    pub(crate) released: Option<Instant>,
    signals: OwnedFd,
    listener: UnixListener,
    engines: Vec<Engine>,
    next_engine: u32,
    /// Kept for as long as they are in the poll set.
    _watches: [Watch; 2],
}

/// What a supervisor starts with.
#[derive(Debug)]
pub struct Setup {
    /// The shim's directory.
    pub directory: Directory,
    /// Its listening socket.
    pub listener: UnixListener,
    /// The connection that the engine gave it.
    pub engine: Option<OwnedFd>,
}

impl Supervisor {
    /// Puts everything in place and greets the first engine.
    ///
    /// # Errors
    /// When the kernel lacks descriptors or memory.
    pub fn new(setup: Setup) -> io::Result<Self> {
        let poller = Poller::new()?;
        let signals = sys::child_signal::open()?;
        let mut watches = [Watch::new(Token::ChildSignal), Watch::new(Token::Listener)];
        poller.set(&signals, &mut watches[0], Some(EventFlags::IN))?;
        poller.set(&setup.listener, &mut watches[1], Some(EventFlags::IN))?;
        let mut supervisor = Self {
            poller,
            complaints: Complaints::new(setup.directory.try_clone_handle()?),
            directory: setup.directory,
            buffers: Buffers::default(),
            state: State::Idle,
            processes: BTreeMap::new(),
            next_process: INIT + 1,
            unheard: Vec::new(),
            mounts: None,
            released: None,
            signals,
            listener: setup.listener,
            engines: Vec::new(),
            next_engine: 0,
            _watches: watches,
        };
        if let Some(socket) = setup.engine {
            supervisor.welcome(socket);
        }
        Ok(supervisor)
    }

    /// Serves until the shim is no longer needed.
    ///
    /// # Errors
    /// When the poll set fails: nothing can be served then.
    pub fn run(mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        while !self.is_over() {
            self.poller.wait(self.timeout(), &mut ready)?;
            if ready.is_empty() && self.buffers.is_held() {
                self.buffers.release();
                sys::heap::release();
            }
            for event in &ready {
                self.serve(*event)?;
            }
            self.conclude()?;
            if self.engines.is_empty() && !self.is_lingering() {
                self.mounts = None;
            }
        }
        // Before the connections, whose end tells the engine that the mounts are gone.
        self.mounts = None;
        if self.released.is_none() {
            // Nothing has run here, so nobody will ask.
            self.directory.clean_up()?;
        }
        Ok(())
    }

    /// After a release the shim stays for clients that have output to take; without a container
    /// it stays for its engine.
    fn is_over(&self) -> bool {
        match (&self.state, self.released) {
            (_, Some(deadline)) => {
                let is_waiting =
                    self.is_lingering() || self.engines.iter().any(|engine| !engine.is_flushed());
                !is_waiting || Instant::now() >= deadline
            }
            // The first engine may yet have to come.
            (State::Idle, None) => self.engines.is_empty() && self.next_engine > 0,
            _ => false,
        }
    }

    /// Whether clients or a logger still have output to take.
    fn is_lingering(&self) -> bool {
        self.processes.values().any(Process::is_lingering)
    }

    fn timeout(&self) -> Option<Duration> {
        let deadlines = self.processes.values().filter_map(Process::deadline);
        let recheck = match &self.state {
            State::Running(container) => container.memory.recheck.map(|(at, _)| at),
            _ => None,
        };
        let loggers = self.processes.values().filter_map(Process::log_deadline);
        let clients = self.processes.values().filter_map(Process::client_deadline);
        let first =
            deadlines.chain(loggers).chain(clients).chain(self.released).chain(recheck).min();
        let until = first.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let rest = self.buffers.is_held().then_some(BUFFER_REST);
        until.into_iter().chain(rest).min()
    }

    fn serve(&mut self, ready: Ready) -> io::Result<()> {
        match ready.token {
            Token::ChildSignal => self.reap(),
            Token::Listener => self.accept(),
            Token::OutOfMemory => self.memory_ran_out(),
            Token::Engine(number) => {
                self.serve_engine(number);
                Ok(())
            }
            Token::Stdout(number) => self
                .with_process(number, |process, around| process.pump(StreamKind::Stdout, around)),
            Token::Stderr(number) => self
                .with_process(number, |process, around| process.pump(StreamKind::Stderr, around)),
            Token::Stdin(number) => self.with_process(number, Process::flush_input),
            Token::Logger(number) => self.with_process(number, Process::serve_log),
            Token::Client(number, client) => self.with_process(number, |process, around| {
                process.serve_client(client, readiness(ready.flags), around)
            }),
        }
    }

    /// Runs `operation` on a process, if it is still there.
    pub(crate) fn with_process(
        &mut self,
        number: u32,
        operation: impl FnOnce(&mut Process, &mut Surroundings<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Self { processes, poller, buffers, complaints, .. } = self;
        match processes.get_mut(&number) {
            Some(process) => operation(process, &mut Surroundings { poller, buffers, complaints }),
            None => Ok(()),
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        // The signal's details do not matter: one signal may stand for many children.
        let mut discarded = [0; 128];
        while rustix::io::read(&self.signals, &mut discarded).is_ok() {}
        self.reap_children()
    }

    fn accept(&mut self) -> io::Result<()> {
        match self.listener.accept() {
            Ok((socket, _)) => self.welcome(socket.into()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.complaints.add("accept an engine", &error),
        }
        Ok(())
    }

    fn welcome(&mut self, socket: OwnedFd) {
        let number = self.next_engine;
        self.next_engine = self.next_engine.wrapping_add(1);
        let hello = Hello {
            version: shim_protocol::VERSION,
            pid: crate::detachment::own_pid(),
            state: self.status(),
        };
        match Engine::new(number, socket, hello, &self.poller) {
            Ok(engine) => self.engines.push(engine),
            Err(error) => return self.complaints.add("greet an engine", &error),
        }
        for event in std::mem::take(&mut self.unheard) {
            self.tell(event);
        }
    }

    fn serve_engine(&mut self, number: u32) {
        let Some(at) = self.engines.iter().position(|engine| engine.number == number) else {
            return;
        };
        let engine = &mut self.engines[at];
        let is_open = engine.flush(&self.poller).and_then(|()| engine.receive()).unwrap_or(false);
        if !is_open {
            return self.dismiss(number);
        }
        while let Some(engine) = self.engines.iter_mut().find(|engine| engine.number == number) {
            match engine.next_call() {
                Ok(Some(Received { call, fds })) => {
                    let answer = self.answer(call.request, fds);
                    let reply = Reply { serial: call.serial, answer };
                    self.send(number, &FromShim::Reply(reply));
                }
                Ok(None) => return,
                Err(error) => {
                    self.complaints.add("receive from an engine", &error);
                    return self.dismiss(number);
                }
            }
        }
    }

    fn send(&mut self, number: u32, message: &FromShim) {
        let Some(engine) = self.engines.iter_mut().find(|engine| engine.number == number) else {
            return;
        };
        if let Err(error) = engine.send(message, &self.poller) {
            self.complaints.add("send to an engine", &error);
            self.dismiss(number);
        }
    }

    /// An engine that has gone is no error: it will be back.
    fn dismiss(&mut self, number: u32) {
        if let Some(at) = self.engines.iter().position(|engine| engine.number == number)
            && let Err(error) = self.engines.swap_remove(at).close(&self.poller)
        {
            self.complaints.add("dismiss an engine", &error);
        }
    }

    /// Sends news to every engine; the end of an exec session is kept when there is none.
    pub(crate) fn tell(&mut self, event: Event) {
        const MAX_UNHEARD: usize = 4096;
        if self.engines.is_empty() {
            if matches!(event, Event::ExecExited { .. }) && self.unheard.len() < MAX_UNHEARD {
                self.unheard.push(event);
            }
            return;
        }
        let numbers: Vec<u32> = self.engines.iter().map(|engine| engine.number).collect();
        for number in numbers {
            self.send(number, &FromShim::Event(event.clone()));
        }
    }

    /// What the container does now.
    pub(crate) fn status(&self) -> ContainerStatus {
        match &self.state {
            State::Idle => ContainerStatus::Idle,
            State::Exited(record) => ContainerStatus::Exited(record.clone()),
            State::Running(container) => ContainerStatus::Running {
                pid: self.processes.get(&INIT).map_or(0, |init| init.pid),
                started_at_nanos: container.started_at_nanos,
                paused: container.is_paused,
                execs: self
                    .processes
                    .values()
                    .filter(|process| !process.has_exited())
                    .filter_map(|process| Some((process.exec.clone()?, process.pid)))
                    .collect(),
            },
        }
    }

    /// Sets the time by which a released shim ends.
    pub(crate) fn release(&mut self) {
        self.released = Some(Instant::now() + LINGER_TIME);
    }
}

fn readiness(flags: EventFlags) -> ClientReadiness {
    if flags.contains(EventFlags::IN) {
        ClientReadiness::Readable
    } else if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
        ClientReadiness::HungUp
    } else {
        ClientReadiness::Writable
    }
}
