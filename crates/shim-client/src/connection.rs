//! The task that owns a connection: writes calls, matches replies, passes events on.

use std::{collections::HashMap, os::fd::OwnedFd};

use shim_protocol::{
    Answer, Call, Event, ExitRecord, FromShim, Hello, Request,
    frame::{Decoder, FrameError, Outbox, Progress},
};
use tokio::{
    io::Interest,
    net::UnixStream,
    process::Child,
    sync::{mpsc, oneshot, watch},
};
use types::ExecId;

use crate::ShimError;

/// News of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShimEvent {
    /// Init has ended, its output is in the log, the exit record is written.
    Exited(ExitRecord),
    /// An exec's process has ended and its output is drained.
    ExecExited {
        /// Which.
        id: ExecId,
        /// Exit code, or 128 + signal number.
        exit_code: i32,
    },
    /// The OOM killer acted while the container goes on.
    OutOfMemory,
    /// The connection ended: after a release as expected, else the shim died. The last event.
    Lost,
}

impl From<Event> for ShimEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Exited(record) => Self::Exited(record),
            Event::ExecExited { id, exit_code } => Self::ExecExited { id, exit_code },
            Event::OutOfMemory => Self::OutOfMemory,
        }
    }
}

/// The news of one connection, in order. Ends after [`ShimEvent::Lost`].
pub type Events = mpsc::UnboundedReceiver<ShimEvent>;

/// One call on its way to the task.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) request: Request,
    pub(crate) fds: Vec<OwnedFd>,
    pub(crate) answer: oneshot::Sender<Result<Answer, ShimError>>,
}

/// What a handle needs of the task.
#[derive(Debug)]
pub(crate) struct Channels {
    pub(crate) calls: mpsc::UnboundedSender<Submission>,
    pub(crate) hello: watch::Receiver<Option<Hello>>,
}

/// The task's state.
#[derive(Debug)]
struct Connection {
    socket: UnixStream,
    outbox: Outbox,
    decoder: Decoder,
    next_serial: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Answer, ShimError>>>,
    hello: watch::Sender<Option<Hello>>,
    events: mpsc::UnboundedSender<ShimEvent>,
}

/// Starts the task. It ends when the connection does, or when every handle is gone.
pub(crate) fn spawn(socket: UnixStream, child: Option<Child>) -> (Channels, Events) {
    let (calls, submissions) = mpsc::unbounded_channel();
    let (hello_sender, hello) = watch::channel(None);
    let (events_sender, events) = mpsc::unbounded_channel();
    let connection = Connection {
        socket,
        outbox: Outbox::new(),
        decoder: Decoder::new(),
        next_serial: 1,
        waiting: HashMap::new(),
        hello: hello_sender,
        events: events_sender,
    };
    tokio::spawn(run(connection, submissions, child));
    (Channels { calls, hello }, events)
}

async fn run(
    mut connection: Connection,
    mut submissions: mpsc::UnboundedReceiver<Submission>,
    child: Option<Child>,
) {
    connection.serve(&mut submissions).await;
    submissions.close();
    while let Ok(submission) = submissions.try_recv() {
        answer(submission.answer, Err(ShimError::Lost));
    }
    let Connection { socket, waiting, events, hello, .. } = connection;
    drop((socket, hello));
    for sender in waiting.into_values() {
        answer(sender, Err(ShimError::Lost));
    }
    send_event(&events, ShimEvent::Lost);
    drop(events);
    if let Some(mut child) = child
        && let Err(error) = child.wait().await
    {
        // Nobody waits for this task; the worst that follows is one zombie entry.
        tracing::warn!(%error, "cannot reap a shim");
    }
}

/// A caller that no longer waits is no error.
fn answer(sender: oneshot::Sender<Result<Answer, ShimError>>, result: Result<Answer, ShimError>) {
    drop(sender.send(result));
}

/// An engine that no longer listens is no error.
fn send_event(events: &mpsc::UnboundedSender<ShimEvent>, event: ShimEvent) {
    drop(events.send(event));
}

impl Connection {
    /// Serves until the connection or the last handle is gone.
    async fn serve(&mut self, submissions: &mut mpsc::UnboundedReceiver<Submission>) {
        loop {
            let interest = if self.outbox.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            let outcome = tokio::select! {
                submission = submissions.recv() => match submission {
                    Some(submission) => self.submit(submission),
                    None => return,
                },
                ready = self.socket.ready(interest) => match ready {
                    Ok(ready) if ready.is_writable() && !self.outbox.is_empty() => {
                        self.flush().and_then(|()| self.receive())
                    }
                    Ok(_) => self.receive(),
                    Err(e) => Err(FrameError::Receive(e)),
                },
            };
            match outcome {
                Ok(Flow::Open) => {}
                Ok(Flow::Ended) | Err(_) => return,
            }
        }
    }

    fn submit(&mut self, submission: Submission) -> Result<Flow, FrameError> {
        let Submission { request, fds, answer: sender } = submission;
        let serial = self.next_serial;
        self.next_serial += 1;
        match self.outbox.push(&Call { serial, request }, fds) {
            Ok(()) => {
                self.waiting.insert(serial, sender);
                self.flush()?;
            }
            Err(error) => answer(sender, Err(ShimError::Request(error))),
        }
        Ok(Flow::Open)
    }

    fn flush(&mut self) -> Result<(), FrameError> {
        let Self { socket, outbox, .. } = self;
        guarded(socket, Interest::WRITABLE, || {
            if outbox.flush(&*socket)? { Ok(()) } else { Err(would_block_on_send()) }
        })
        .map(drop)
    }

    fn receive(&mut self) -> Result<Flow, FrameError> {
        let Self { socket, decoder, .. } = self;
        let progress =
            guarded(socket, Interest::READABLE, || match decoder.read_from(&*socket)? {
                Progress::WouldBlock => Err(would_block_on_receive()),
                progress => Ok(progress),
            })?;
        while let Some(message) = self.decoder.next_message()? {
            if let Flow::Ended = self.dispatch(message) {
                return Ok(Flow::Ended);
            }
        }
        Ok(if progress == Some(Progress::End) { Flow::Ended } else { Flow::Open })
    }

    fn dispatch(&mut self, message: FromShim) -> Flow {
        match message {
            FromShim::Hello(hello) => {
                let version = hello.version;
                self.hello.send_replace(Some(hello));
                if version > shim_protocol::VERSION {
                    for (_, sender) in self.waiting.drain() {
                        answer(sender, Err(ShimError::Version(version)));
                    }
                    return Flow::Ended;
                }
            }
            FromShim::Reply(reply) => {
                if let Some(sender) = self.waiting.remove(&reply.serial) {
                    answer(sender, Ok(reply.answer));
                }
            }
            FromShim::Event(event) => send_event(&self.events, event.into()),
        }
        Flow::Open
    }
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    Ended,
}

fn would_block_on_send() -> FrameError {
    FrameError::Send(std::io::ErrorKind::WouldBlock.into())
}

fn would_block_on_receive() -> FrameError {
    FrameError::Receive(std::io::ErrorKind::WouldBlock.into())
}

/// Runs a frame operation below tokio's readiness guard: `None` when the socket is not ready, so
/// that tokio asks the kernel again before it reports readiness.
fn guarded<T>(
    socket: &UnixStream,
    interest: Interest,
    operation: impl FnOnce() -> Result<T, FrameError>,
) -> Result<Option<T>, FrameError> {
    let mut outcome = Ok(None);
    let io = socket.try_io(interest, || match operation() {
        Err(FrameError::Send(e) | FrameError::Receive(e))
            if e.kind() == std::io::ErrorKind::WouldBlock =>
        {
            Err(e)
        }
        done => {
            outcome = done.map(Some);
            Ok(())
        }
    });
    match io {
        Ok(()) => outcome,
        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(FrameError::Receive(e)),
    }
}
