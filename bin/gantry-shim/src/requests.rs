//! What the engine may ask, one method each.

use std::{collections::BTreeMap, io, os::fd::OwnedFd};

use container_log::Timestamp;
use oci::runtime::LinuxResources;
use rustix::{event::epoll::EventFlags, io::Errno};
use shim_protocol::{Answer, AttachStreams, ExecRequest, Failure, Request, StartRequest};
use types::ExecId;

use crate::{
    backend::{Backend, Launch, Launched},
    failure,
    log::Log,
    poller::{Token, Watch},
    process::{NewProcess, Process},
    stream::{Framing, InputPolicy, OurEnds, Plumbing, StdinSource},
    supervisor::{Container, INIT, Memory, State, Supervisor},
};

const SIGKILL: i32 = 9;

/// A process that is about to be started, with its clients.
struct Prepared {
    new: NewProcess,
    source: StdinSource,
    clients: Vec<(AttachStreams, OwnedFd)>,
}

impl Supervisor {
    /// Does what is asked.
    pub(crate) fn answer(&mut self, request: Request, fds: Vec<OwnedFd>) -> Answer {
        let done = |result: Result<(), Failure>| result.map(|()| Answer::Done);
        let result = match request {
            Request::Start(start) => self.start(start, fds),
            Request::Exec(exec) => self.exec(*exec, fds),
            Request::Signal { exec, signal } => done(self.signal(exec.as_ref(), signal)),
            Request::Resize { exec, width, height } => {
                done(self.resize(exec.as_ref(), (width, height)))
            }
            Request::Attach { exec, streams, after_log } => self
                .attach(exec.as_ref(), streams, fds)
                .and_then(|()| if after_log { self.continue_log() } else { Ok(Answer::Done) }),
            Request::Update { resources } => done(self.update(&resources)),
            Request::Pause => done(self.pause()),
            Request::Resume => done(self.resume()),
            Request::Status => Ok(Answer::Status(self.status())),
            Request::ReopenLogs => done(self.reopen_logs()),
            Request::Release => done(self.try_release()),
        };
        result.unwrap_or_else(Answer::Failed)
    }

    fn start(
        &mut self,
        mut start: Box<StartRequest>,
        fds: Vec<OwnedFd>,
    ) -> Result<Answer, Failure> {
        if !matches!(self.state, State::Idle) {
            return Err(failure::conflict("the shim has a container already"));
        }
        let mut fds = fds.into_iter();
        let clients = std::mem::take(&mut start.attach).into_iter().zip(fds.by_ref()).collect();
        let namespaces: BTreeMap<String, OwnedFd> =
            start.namespaces.keys().cloned().zip(fds).collect();
        let log = std::mem::replace(&mut start.log, shim_protocol::LogTarget::None);
        let log = Log::open(log, Token::Logger(INIT), &self.poller)
            .map_err(|e| failure::internal("failed to initialize logging driver", &e))?;
        let is_terminal = start.spec.process.as_ref().is_some_and(|process| process.terminal);
        let prepared = Prepared {
            new: NewProcess {
                number: INIT,
                exec: None,
                framing: framing(is_terminal),
                input_policy: input_policy(is_terminal, start.stdin_once),
                log,
            },
            source: stdin_source(start.open_stdin),
            clients,
        };
        let plumbing = plumbing(is_terminal, prepared.source)?;
        let launch = Launch { request: start, namespaces, stdio: plumbing.child };
        let (mut backend, launched) = Backend::start(launch)?;
        let started_at_nanos = Timestamp::now().unix_nanos();
        let pid = match self.supervise(prepared, launched, plumbing.ours) {
            Ok(pid) => pid,
            Err(failure) => {
                for undone in [backend.end_leftovers(), backend.delete()] {
                    undone.unwrap_or_else(|failure| self.complaints.add_text(&failure.message));
                }
                return Err(failure);
            }
        };
        let watch = backend.take_memory_watch().and_then(|memory| self.watch_memory(memory));
        self.state = State::Running(Container {
            backend,
            started_at_nanos,
            is_paused: false,
            memory: Memory { watch, ..Memory::default() },
        });
        sys::heap::release();
        Ok(Answer::Started { pid })
    }

    /// Being told of a shortage at once is a comfort: without it the exit record still tells.
    fn watch_memory(&mut self, memory: OwnedFd) -> Option<(OwnedFd, Watch)> {
        let mut watch = Watch::new(Token::OutOfMemory);
        match self.poller.set(&memory, &mut watch, Some(EventFlags::IN)) {
            Ok(()) => Some((memory, watch)),
            Err(error) => {
                self.complaints.add("watch memory", &error);
                None
            }
        }
    }

    fn exec(&mut self, mut exec: ExecRequest, fds: Vec<OwnedFd>) -> Result<Answer, Failure> {
        if self.processes.values().any(|process| process.exec.as_ref() == Some(&exec.id)) {
            return Err(failure::conflict(format!("exec {} runs already", exec.id)));
        }
        let is_terminal = exec.process.terminal;
        let number = self.next_process;
        self.next_process += 1;
        let prepared = Prepared {
            new: NewProcess {
                number,
                exec: Some(exec.id.clone()),
                framing: framing(is_terminal),
                input_policy: input_policy(is_terminal, true),
                log: None,
            },
            source: stdin_source(exec.open_stdin),
            clients: std::mem::take(&mut exec.attach).into_iter().zip(fds).collect(),
        };
        let plumbing = plumbing(is_terminal, prepared.source)?;
        let container = self.running()?;
        if container.is_paused {
            // The new process would freeze before it could report, and we wait for its report.
            return Err(failure::conflict("the container is paused, unpause it before exec"));
        }
        let launched = container.backend.exec(&exec, plumbing.child)?;
        let launched_pid = launched.pid;
        match self.supervise(prepared, launched, plumbing.ours) {
            Ok(pid) => Ok(Answer::Started { pid }),
            Err(failure) => {
                if let Err(error) = sys::signal::send(launched_pid, SIGKILL) {
                    self.complaints.add("end an exec", &error);
                }
                Err(failure)
            }
        }
    }

    /// Takes a started process over. It cannot have been reaped yet: that happens in the loop.
    fn supervise(
        &mut self,
        prepared: Prepared,
        launched: Launched,
        mut ours: OurEnds,
    ) -> Result<i32, Failure> {
        let failed = |e: std::io::Error| failure::internal("supervise a process", &e);
        let pid = launched.pid;
        if let Some(terminal) = launched.terminal {
            ours.use_terminal(terminal, prepared.source).map_err(failed)?;
        }
        let number = prepared.new.number;
        let mut process = Process::new(prepared.new, pid, ours, &self.poller).map_err(failed)?;
        for (streams, socket) in prepared.clients {
            process.attach(socket, streams, &self.poller).map_err(failed)?;
        }
        self.processes.insert(number, process);
        Ok(pid)
    }

    pub(crate) fn running(&mut self) -> Result<&mut Container, Failure> {
        let has_ended = self.processes.get(&INIT).is_none_or(Process::has_exited);
        match &mut self.state {
            State::Running(container) if !has_ended => Ok(container),
            _ => Err(failure::conflict("the container is not running")),
        }
    }

    fn process(&mut self, exec: Option<&ExecId>) -> Result<&mut Process, Failure> {
        let found = self.processes.values_mut().find(|p| p.exec.as_ref() == exec);
        match found.filter(|process| !process.has_exited()) {
            Some(process) => Ok(process),
            None => Err(match exec {
                Some(id) => failure::not_found(format!("exec {id} is not running")),
                None => failure::conflict("the container is not running"),
            }),
        }
    }

    fn signal(&mut self, exec: Option<&ExecId>, signal: i32) -> Result<(), Failure> {
        let process = self.process(exec)?;
        // Not reaped, so the number is still this process' own.
        let sent = match exec {
            None => sys::signal::send(process.pid, signal),
            // An exec leads a session: what it has started in its group ends with it.
            Some(_) => sys::signal::send_to_group(process.pid, signal),
        };
        match sent {
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                return Err(failure::invalid(format!("invalid signal: {signal}")));
            }
            Err(e) if Errno::from_io_error(&e) != Some(Errno::SRCH) => {
                return Err(failure::internal("send a signal", &e));
            }
            _ => {}
        }
        // A frozen process of cgroup v1 does not even die.
        if signal == SIGKILL
            && exec.is_none()
            && self.running().is_ok_and(|container| container.is_paused)
        {
            self.resume()?;
        }
        Ok(())
    }

    fn resize(&mut self, exec: Option<&ExecId>, size: (u16, u16)) -> Result<(), Failure> {
        match self.process(exec)?.resize(size.0, size.1) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(failure::internal("resize the terminal", &error)),
            None => Err(failure::invalid("the process has no terminal")),
        }
    }

    fn attach(
        &mut self,
        exec: Option<&ExecId>,
        streams: AttachStreams,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let Some(socket) = fds.into_iter().next() else {
            return Err(failure::invalid("an attach carries a socket"));
        };
        self.process(exec)?;
        let Self { processes, poller, .. } = self;
        let process = processes.values_mut().find(|p| p.exec.as_ref() == exec);
        let attached =
            process.map_or(Ok(()), |process| process.attach_later(socket, streams, poller));
        attached.map_err(|e| failure::internal("attach", &e))
    }

    fn continue_log(&mut self) -> Result<Answer, Failure> {
        let Self { processes, poller, .. } = self;
        let continued =
            processes.get_mut(&INIT).map_or(Ok(None), |process| process.continue_log(poller));
        let log = continued.map_err(|e| failure::internal("attach", &e))?;
        Ok(Answer::Attached { log })
    }

    fn update(&mut self, resources: &LinuxResources) -> Result<(), Failure> {
        self.running()?.backend.update(resources)
    }

    fn pause(&mut self) -> Result<(), Failure> {
        let container = self.running()?;
        if container.is_paused {
            return Err(failure::conflict("the container is already paused"));
        }
        container.backend.freeze()?;
        container.is_paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Failure> {
        let container = self.running()?;
        if !container.is_paused {
            return Err(failure::conflict("the container is not paused"));
        }
        container.backend.thaw()?;
        container.is_paused = false;
        Ok(())
    }

    fn reopen_logs(&mut self) -> Result<(), Failure> {
        let init = self.processes.get_mut(&INIT);
        let reopened = init.map_or(Ok(()), Process::reopen_log);
        reopened.map_err(|e| failure::internal("reopen the log", &e))
    }

    fn try_release(&mut self) -> Result<(), Failure> {
        if matches!(self.state, State::Running(_)) {
            return Err(failure::conflict("the container is running"));
        }
        self.release();
        self.directory.clean_up().map_err(|e| failure::internal("clean the directory up", &e))
    }
}

fn plumbing(is_terminal: bool, source: StdinSource) -> Result<Plumbing, Failure> {
    if is_terminal {
        return Ok(Plumbing::terminal());
    }
    Plumbing::pipes(source).map_err(|e| failure::internal("make pipes", &e))
}

fn framing(is_terminal: bool) -> Framing {
    if is_terminal { Framing::Raw } else { Framing::Stdcopy }
}

/// A terminal has no end of input: clients come and go.
fn input_policy(is_terminal: bool, is_once: bool) -> InputPolicy {
    if is_once && !is_terminal { InputPolicy::CloseWithClient } else { InputPolicy::KeepOpen }
}

fn stdin_source(is_open: bool) -> StdinSource {
    if is_open { StdinSource::Pipe } else { StdinSource::Null }
}
