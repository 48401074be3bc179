//! What `/containers` needs.

use async_trait::async_trait;
use engine_api::{
    container::{
        ContainerCreateRequest, ContainerCreateResponse, ContainerInspect, ContainerPruneReport,
        ContainerSummary, ContainerUpdateRequest, ContainerUpdateResponse, FilesystemChange,
        PathStat, TopResponse, WaitResponse,
    },
    descriptor::Platform,
    stats::StatsResponse,
};
use futures_util::{future::BoxFuture, stream::BoxStream};

use super::TerminalSize;
use crate::{Answer, ApiVersion, Attachment, ByteStream, Filters, Framing, Timestamp};
use types::Signal;

/// `GET /containers/json`
#[derive(Debug, Clone, Default)]
pub struct ListContainers {
    /// Also those that do not run. `limit` and some filters (`status`, ...) imply it.
    pub all: bool,
    /// Only the newest ones.
    pub limit: Option<usize>,
    /// Fill `SizeRw` and `SizeRootFs`.
    pub size: bool,
    /// `ancestor before expose exited health id is-task label name network publish since status
    /// volume`; refuse others with [`Filters::allow_only`].
    pub filters: Filters,
}

/// `POST /containers/create`
#[derive(Debug, Clone)]
pub struct CreateContainer {
    /// The wished name, without slash; `None` draws one.
    pub name: Option<String>,
    /// Only an image for this platform will do.
    pub platform: Option<Platform>,
    /// The document, adjusted for older clients: `NetworkMode` is never empty or `default` but
    /// `bridge`, container-wide MAC addresses are moved to the endpoint, `PidsLimit` <= 0 is
    /// `None`, empty lists of port bindings have one empty binding.
    pub request: ContainerCreateRequest,
    /// The client's version, for defaults that depend on the host (`CgroupnsMode` < 1.41).
    pub version: ApiVersion,
}

/// `POST /containers/{id}/stop` and `/restart`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopContainer {
    /// Instead of the container's stop signal.
    pub signal: Option<Signal>,
    /// Seconds until `SIGKILL`; `None` is the container's own, negative is forever.
    pub timeout: Option<i64>,
}

/// `POST /containers/{id}/start`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartContainer {
    /// A checkpoint to restore; not supported, refuse it.
    pub checkpoint: Option<String>,
}

/// `DELETE /containers/{id}`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveContainer {
    /// Remove its anonymous volumes too.
    pub volumes: bool,
    /// Kill it first if it runs.
    pub force: bool,
    /// Remove the link of this name, not the container.
    pub link: bool,
}

/// Which of the last log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tail {
    /// All of them.
    #[default]
    All,
    /// The last ones.
    Lines(u64),
}

/// `GET /containers/{id}/logs`; at least one of `stdout` and `stderr` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Stay and wait for more until the container ends.
    pub follow: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Begin each line with its RFC 3339 time.
    pub timestamps: bool,
    /// Begin each line with the log driver's extra attributes.
    pub details: bool,
    /// How many of the last lines.
    pub tail: Tail,
}

/// The answer to a request for logs.
pub struct LogStream {
    /// [`Framing::Raw`] for containers on a terminal, else [`Framing::Multiplexed`].
    pub framing: Framing,
    /// Bytes in that framing (see [`crate::stdcopy`]).
    pub bytes: ByteStream,
}

/// `POST /containers/{id}/attach`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttachOptions {
    /// Replay the log first.
    pub logs: bool,
    /// Then stay connected.
    pub stream: bool,
    /// Connect stdin.
    pub stdin: bool,
    /// Connect stdout.
    pub stdout: bool,
    /// Connect stderr.
    pub stderr: bool,
    /// Bytes that detach the client; `None` is the engine's default (`ctrl-p,ctrl-q`), only
    /// looked for when stdin is connected to a terminal.
    pub detach_keys: Option<Vec<u8>>,
}

/// Until when to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// Until it does not run (at once if it does not).
    #[default]
    NotRunning,
    /// Until it ends the next time.
    NextExit,
    /// Until it is removed.
    Removed,
}

/// `GET /containers/{id}/stats`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsOptions {
    /// One sample per second until the client goes; otherwise one sample.
    pub stream: bool,
    /// Without `stream`: do not wait for a second sample, leave `precpu_stats` empty.
    pub one_shot: bool,
}

/// `PUT /containers/{id}/archive`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutArchive {
    /// The directory in the container to unpack into.
    pub path: String,
    /// Fail when a directory would replace a file or the other way round.
    pub no_overwrite_dir_non_dir: bool,
    /// Keep the archive's owners.
    pub copy_uid_gid: bool,
}

/// What `/containers` needs from the engine.
#[async_trait]
pub trait ContainerBackend: Send + Sync + 'static {
    /// Lists containers, newest first.
    async fn list(&self, options: ListContainers) -> Answer<Vec<ContainerSummary>>;

    /// Creates a container; the image must be there (`No such image: x:latest`, 404: the client
    /// then pulls it).
    async fn create(&self, options: CreateContainer) -> Answer<ContainerCreateResponse>;

    /// Describes a container; fills the sizes if `size` is wanted.
    async fn inspect(&self, id: &str, size: SizeWanted) -> Answer<ContainerInspect>;

    /// Lists its processes with the arguments of `ps` (`-ef` by default).
    async fn top(&self, id: &str, ps_args: &str) -> Answer<TopResponse>;

    /// Reads its log. Fails (not just ends) before the first byte if the log cannot be read.
    async fn logs(&self, id: &str, options: LogOptions) -> Answer<LogStream>;

    /// Lists what differs from the image.
    async fn changes(&self, id: &str) -> Answer<Vec<FilesystemChange>>;

    /// Streams its whole file system as a tar archive.
    async fn export(&self, id: &str) -> Answer<ByteStream>;

    /// Samples its resource use.
    async fn stats(
        &self,
        id: &str,
        options: StatsOptions,
    ) -> Answer<BoxStream<'static, Answer<StatsResponse>>>;

    /// Sets the size of its terminal.
    async fn resize(&self, id: &str, size: TerminalSize) -> Answer<()>;

    /// Starts it; `NotModified` if it runs.
    async fn start(&self, id: &str, options: StartContainer) -> Answer<()>;

    /// Stops it; `NotModified` if it does not run.
    async fn stop(&self, id: &str, options: StopContainer) -> Answer<()>;

    /// Stops it if it runs and starts it.
    async fn restart(&self, id: &str, options: StopContainer) -> Answer<()>;

    /// Sends a signal, `SIGKILL` if `None`; `Conflict` if it does not run. The edge puts
    /// `cannot kill container: ID: ` before the text.
    async fn kill(&self, id: &str, signal: Option<Signal>) -> Answer<()>;

    /// Changes limits and the restart policy; zero values stay as they are.
    async fn update(
        &self,
        id: &str,
        request: ContainerUpdateRequest,
    ) -> Answer<ContainerUpdateResponse>;

    /// Gives it another name.
    async fn rename(&self, id: &str, name: &str) -> Answer<()>;

    /// Freezes it.
    async fn pause(&self, id: &str) -> Answer<()>;

    /// Thaws it.
    async fn unpause(&self, id: &str) -> Answer<()>;

    /// Prepares to connect a client. Everything that can fail with a status fails here; the
    /// returned closure gets the connection after the answer's head is on the wire.
    async fn attach(&self, id: &str, options: AttachOptions) -> Answer<Attachment>;

    /// Registers a waiter at once (the edge then sends the head, which clients take as "now
    /// start it") and returns the wait itself.
    async fn wait(
        &self,
        id: &str,
        condition: WaitCondition,
    ) -> Answer<BoxFuture<'static, Answer<WaitResponse>>>;

    /// Removes it.
    async fn remove(&self, id: &str, options: RemoveContainer) -> Answer<()>;

    /// Removes all that do not run (filters `until`, `label`, `label!`).
    async fn prune(&self, filters: Filters) -> Answer<ContainerPruneReport>;

    /// Describes a path in it.
    async fn archive_stat(&self, id: &str, path: &str) -> Answer<PathStat>;

    /// Streams a path in it as a tar archive, with its description.
    async fn archive_get(&self, id: &str, path: &str) -> Answer<(PathStat, ByteStream)>;

    /// Unpacks a tar archive (plain or compressed with gzip, bzip2, xz or zstd) into it.
    async fn archive_put(&self, id: &str, options: PutArchive, archive: ByteStream) -> Answer<()>;
}

/// Whether an inspection computes sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeWanted {
    /// Fill `SizeRw` and `SizeRootFs`.
    Yes,
    /// Leave them out.
    No,
}
