//! The handle to one shim.

use std::{collections::BTreeMap, os::fd::OwnedFd, path::Path, sync::Arc};

use oci::runtime::LinuxResources;
use shim_protocol::{
    Answer, AttachStreams, ContainerStatus, ExecRequest, Hello, LogPosition, NamespaceFd, Request,
    StartRequest,
};
use tokio::{net::UnixStream, process::Child, sync::oneshot};
use types::ExecId;

use crate::{
    Events, ShimConfig, ShimError,
    connection::{self, Channels, Submission},
    socket,
};

/// A stream that the shim is to serve: [`crate::stream_pair`] makes the socket.
#[derive(Debug)]
pub struct Attachment {
    /// Which directions.
    pub streams: AttachStreams,
    /// The shim's end.
    pub socket: OwnedFd,
}

/// A process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its pid on the host.
    pub pid: i32,
}

/// A connection to one container's supervisor. Clones share it.
#[derive(Debug, Clone)]
pub struct Shim {
    channels: Arc<Channels>,
}

impl Shim {
    /// Starts a shim. Returns as soon as the program is started: requests may follow at once,
    /// they wait in the socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ShimError::Spawn`] and [`ShimError::Directory`].
    pub fn spawn(config: &ShimConfig) -> Result<(Self, Events), ShimError> {
        let (socket, child) = config.spawn()?;
        let failed = |source| ShimError::Spawn { binary: config.binary.clone(), source };
        let socket = UnixStream::from_std(socket).map_err(failed)?;
        Ok(Self::over(socket, Some(child)))
    }

    /// Connects to a shim that runs already, by its directory, and waits for its [`Hello`].
    ///
    /// # Errors
    /// [`ShimError::Connect`] when none answers, [`ShimError::Lost`], [`ShimError::Version`].
    pub async fn connect(dir: &Path) -> Result<(Self, Hello, Events), ShimError> {
        let socket = socket::connect(dir)
            .await
            .map_err(|source| ShimError::Connect { dir: dir.to_owned(), source })?;
        let (shim, events) = Self::over(socket, None);
        let hello = shim.hello().await?;
        Ok((shim, hello, events))
    }

    fn over(socket: UnixStream, child: Option<Child>) -> (Self, Events) {
        let (channels, events) = connection::spawn(socket, child);
        (Self { channels: Arc::new(channels) }, events)
    }

    /// The shim's first message, waiting for it if need be. Its state is that of the connection's
    /// beginning; see [`Shim::status`].
    ///
    /// # Errors
    /// [`ShimError::Lost`] and [`ShimError::Version`].
    pub async fn hello(&self) -> Result<Hello, ShimError> {
        let mut receiver = self.channels.hello.clone();
        let hello = receiver.wait_for(Option::is_some).await.map_err(|_| ShimError::Lost)?.clone();
        match hello {
            Some(hello) if hello.version <= shim_protocol::VERSION => Ok(hello),
            Some(hello) => Err(ShimError::Version(hello.version)),
            None => Err(ShimError::Lost),
        }
    }

    /// Creates and starts init; answers after its `execve`.
    ///
    /// `attachments` and `namespaces` decide the request's `attach` and `namespaces`.
    ///
    /// # Errors
    /// [`ShimError::Failed`] when the container cannot be started: nothing of it is left then, and
    /// the shim ends with its connection.
    pub async fn start(
        &self,
        mut request: StartRequest,
        attachments: Vec<Attachment>,
        namespaces: BTreeMap<String, OwnedFd>,
    ) -> Result<Started, ShimError> {
        let (streams, mut fds) = split(attachments);
        request.attach = streams;
        request.namespaces = namespaces.keys().map(|kind| (kind.clone(), NamespaceFd)).collect();
        fds.extend(namespaces.into_values());
        self.started(Request::Start(Box::new(request)), fds).await
    }

    /// Runs a further process. `attachments` decide the request's `attach`.
    ///
    /// # Errors
    /// [`ShimError::Failed`] when it cannot be started.
    pub async fn exec(
        &self,
        mut request: ExecRequest,
        attachments: Vec<Attachment>,
    ) -> Result<Started, ShimError> {
        let (streams, fds) = split(attachments);
        request.attach = streams;
        self.started(Request::Exec(Box::new(request)), fds).await
    }

    /// Sends a signal to init (`None`) or to an exec's process.
    ///
    /// # Errors
    /// [`ShimError::Failed`] of kind `NotFound` or `Conflict` when it does not run.
    pub async fn signal(&self, exec: Option<ExecId>, signal: i32) -> Result<(), ShimError> {
        self.done(Request::Signal { exec, signal }, Vec::new()).await
    }

    /// Sets the size of a terminal, in character cells.
    ///
    /// # Errors
    /// [`ShimError::Failed`] when there is no such process or it has no terminal.
    pub async fn resize(
        &self,
        exec: Option<ExecId>,
        width: u16,
        height: u16,
    ) -> Result<(), ShimError> {
        self.done(Request::Resize { exec, width, height }, Vec::new()).await
    }

    /// Adds a stream to init (`None`) or to an exec; returns the engine's end.
    ///
    /// # Errors
    /// [`ShimError::Failed`] when there is no such process, [`ShimError::Stream`].
    pub async fn attach(
        &self,
        exec: Option<ExecId>,
        streams: AttachStreams,
    ) -> Result<UnixStream, ShimError> {
        let (ours, theirs) = socket::stream_pair()?;
        self.done(Request::Attach { exec, streams, after_log: false }, vec![theirs]).await?;
        Ok(ours)
    }

    /// Adds a stream to init that begins where the log ends now, for a client that reads the log
    /// first; without a position, no log in files is written (or the shim is too old to tell).
    ///
    /// # Errors
    /// [`ShimError::Failed`] when init does not run.
    pub async fn attach_after_log(
        &self,
        streams: AttachStreams,
    ) -> Result<(UnixStream, Option<LogPosition>), ShimError> {
        let (ours, theirs) = socket::stream_pair()?;
        let request = Request::Attach { exec: None, streams, after_log: true };
        match self.call(request, vec![theirs]).await? {
            Answer::Attached { log } => Ok((ours, log)),
            Answer::Done => Ok((ours, None)),
            _ => Err(ShimError::UnexpectedAnswer),
        }
    }

    /// Adds a stream whose two ends exist already: one that a client was given before the start.
    ///
    /// # Errors
    /// [`ShimError::Failed`] when there is no such process.
    pub async fn attach_late(
        &self,
        exec: Option<ExecId>,
        attachment: Attachment,
    ) -> Result<(), ShimError> {
        let request = Request::Attach { exec, streams: attachment.streams, after_log: false };
        self.done(request, vec![attachment.socket]).await
    }

    /// Changes limits of the running container.
    ///
    /// # Errors
    /// [`ShimError::Failed`] when the kernel refuses.
    pub async fn update(&self, resources: LinuxResources) -> Result<(), ShimError> {
        self.done(Request::Update { resources: Box::new(resources) }, Vec::new()).await
    }

    /// Freezes every process.
    ///
    /// # Errors
    /// [`ShimError::Failed`], of kind `Conflict` when it is paused already or does not run.
    pub async fn pause(&self) -> Result<(), ShimError> {
        self.done(Request::Pause, Vec::new()).await
    }

    /// Thaws every process.
    ///
    /// # Errors
    /// [`ShimError::Failed`], of kind `Conflict` when it is not paused.
    pub async fn resume(&self) -> Result<(), ShimError> {
        self.done(Request::Resume, Vec::new()).await
    }

    /// What the container is doing now.
    ///
    /// # Errors
    /// [`ShimError::Lost`].
    pub async fn status(&self) -> Result<ContainerStatus, ShimError> {
        match self.call(Request::Status, Vec::new()).await? {
            Answer::Status(status) => Ok(status),
            _ => Err(ShimError::UnexpectedAnswer),
        }
    }

    /// Reopens the log file after something else has moved it away.
    ///
    /// # Errors
    /// [`ShimError::Failed`] when it cannot be opened.
    pub async fn reopen_logs(&self) -> Result<(), ShimError> {
        self.done(Request::ReopenLogs, Vec::new()).await
    }

    /// Lets the shim clean its directory up and end.
    ///
    /// # Errors
    /// [`ShimError::Failed`] of kind `Conflict` while init runs.
    pub async fn release(&self) -> Result<(), ShimError> {
        self.done(Request::Release, Vec::new()).await
    }

    async fn started(&self, request: Request, fds: Vec<OwnedFd>) -> Result<Started, ShimError> {
        match self.call(request, fds).await? {
            Answer::Started { pid } => Ok(Started { pid }),
            _ => Err(ShimError::UnexpectedAnswer),
        }
    }

    async fn done(&self, request: Request, fds: Vec<OwnedFd>) -> Result<(), ShimError> {
        match self.call(request, fds).await? {
            Answer::Done => Ok(()),
            _ => Err(ShimError::UnexpectedAnswer),
        }
    }

    async fn call(&self, request: Request, fds: Vec<OwnedFd>) -> Result<Answer, ShimError> {
        let (answer, receiver) = oneshot::channel();
        let submission = Submission { request, fds, answer };
        self.channels.calls.send(submission).map_err(|_| ShimError::Lost)?;
        match receiver.await.map_err(|_| ShimError::Lost)?? {
            Answer::Failed(failure) => Err(ShimError::Failed(failure)),
            answer => Ok(answer),
        }
    }
}

fn split(attachments: Vec<Attachment>) -> (Vec<AttachStreams>, Vec<OwnedFd>) {
    attachments.into_iter().map(|attachment| (attachment.streams, attachment.socket)).unzip()
}

#[cfg(test)]
mod tests {
    use shim_protocol::{
        Call, Event, FromShim, Reply,
        frame::{Decoder, Outbox, Progress},
    };

    use super::*;
    use crate::ShimEvent;

    /// A connection to a shim that a test plays.
    fn played() -> (Shim, Events, std::os::unix::net::UnixStream) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (shim, events) = Shim::over(UnixStream::from_std(ours).unwrap(), None);
        (shim, events, theirs)
    }

    fn say(peer: &std::os::unix::net::UnixStream, message: &FromShim) {
        let mut outbox = Outbox::new();
        outbox.push(message, Vec::new()).unwrap();
        assert!(outbox.flush(peer).unwrap());
    }

    fn hello(version: u32) -> FromShim {
        FromShim::Hello(Hello { version, pid: 1, state: ContainerStatus::Idle })
    }

    #[tokio::test]
    async fn answers_find_their_questions_in_any_order() {
        let (shim, mut events, peer) = played();
        let playing = tokio::task::spawn_blocking(move || {
            let (mut decoder, mut serials) = (Decoder::new(), Vec::new());
            while serials.len() < 2 {
                assert_eq!(decoder.read_from(&peer).unwrap(), Progress::Read);
                while let Some(call) = decoder.next_message::<Call>().unwrap() {
                    serials.push((call.serial, matches!(call.request, Request::Status)));
                }
            }
            say(&peer, &FromShim::Event(Event::OutOfMemory));
            for (serial, is_status) in serials.into_iter().rev() {
                let answer =
                    if is_status { Answer::Status(ContainerStatus::Idle) } else { Answer::Done };
                say(&peer, &FromShim::Reply(Reply { serial, answer }));
            }
        });
        let (status, paused) = tokio::join!(shim.status(), shim.pause());
        assert_eq!(status.unwrap(), ContainerStatus::Idle);
        paused.unwrap();
        assert_eq!(events.recv().await, Some(ShimEvent::OutOfMemory));
        playing.await.unwrap();
        assert_eq!(events.recv().await, Some(ShimEvent::Lost));
        assert_eq!(events.recv().await, None);
    }

    #[tokio::test]
    async fn a_later_version_is_refused() {
        let (shim, _events, peer) = played();
        say(&peer, &hello(shim_protocol::VERSION + 1));
        assert!(matches!(shim.hello().await, Err(ShimError::Version(_) | ShimError::Lost)));
        assert!(shim.pause().await.is_err());
    }

    #[tokio::test]
    async fn a_lost_connection_fails_what_waits_and_what_comes() {
        let (shim, mut events, peer) = played();
        say(&peer, &hello(shim_protocol::VERSION));
        assert_eq!(shim.hello().await.unwrap().pid, 1);
        let waiting = tokio::spawn({
            let shim = shim.clone();
            async move { shim.pause().await }
        });
        tokio::task::yield_now().await;
        drop(peer);
        assert!(matches!(waiting.await.unwrap(), Err(ShimError::Lost)));
        assert_eq!(events.recv().await, Some(ShimEvent::Lost));
        assert!(matches!(shim.resume().await, Err(ShimError::Lost)));
    }
}
