//! The documents of the protocol.

use std::{collections::BTreeMap, path::PathBuf};

use oci::runtime::{LinuxResources, Process, Spec};
use serde::{Deserialize, Serialize};
use types::{ContainerId, ExecId, RootFilesystem};

/// The shim's first message on every connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// The shim's [`crate::VERSION`].
    pub version: u32,
    /// The shim's own pid.
    pub pid: i32,
    /// What its container is doing, so that a reconnecting engine needs no second question.
    pub state: ContainerStatus,
}

/// A numbered request.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the engine, echoed in the [`Reply`].
    pub serial: u64,
    /// What is asked.
    pub request: Request,
}

/// What the engine may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Request {
    /// Creates and starts init. Answered by [`Answer::Started`] after a successful `execve`.
    Start(Box<StartRequest>),
    /// Runs a further process in the container. Answered by [`Answer::Started`].
    Exec(Box<ExecRequest>),
    /// Sends a signal to init, or to an exec's process. [`Answer::Done`].
    Signal {
        /// `None`: init.
        exec: Option<ExecId>,
        /// Signal number.
        signal: i32,
    },
    /// Sets a terminal's size. [`Answer::Done`].
    Resize {
        /// `None`: init.
        exec: Option<ExecId>,
        /// Character cells.
        width: u16,
        /// Character cells.
        height: u16,
    },
    /// Adds a stream: carries 1 fd, a connected `SOCK_STREAM` socket (see [`AttachStreams`]).
    Attach {
        /// `None`: init.
        exec: Option<ExecId>,
        /// Which streams.
        streams: AttachStreams,
        /// Whether the client is given the log first: it then gets the unfinished lines, which
        /// are in no log yet, and the answer is [`Answer::Attached`].
        #[serde(default)]
        after_log: bool,
    },
    /// Applies new limits to the running container's cgroup. [`Answer::Done`].
    Update {
        /// Only the fields that are set change.
        resources: Box<LinuxResources>,
    },
    /// Freezes every process. [`Answer::Done`].
    Pause,
    /// Thaws. [`Answer::Done`].
    Resume,
    /// Asks for [`Answer::Status`].
    Status,
    /// Reopens the log files (after an external rotation). [`Answer::Done`].
    ReopenLogs,
    /// The engine has taken note of the exit: remove the shim's files (and its directory, if
    /// nothing else is in it) and end. [`Answer::Done`], then the connection closes; the process
    /// may stay up to a minute for attached clients that still have output to take.
    /// [`Answer::Failed`] while init runs.
    Release,
}

impl Request {
    /// How many file descriptors the message must carry.
    ///
    /// `Start` and `Exec`: one connected socket per element of `attach`, in order; `Start`
    /// then the namespace fds of `namespaces` in order of their keys.
    #[must_use]
    pub fn fd_count(&self) -> usize {
        match self {
            Self::Start(start) => start.attach.len() + start.namespaces.len(),
            Self::Exec(exec) => exec.attach.len(),
            Self::Attach { .. } => 1,
            _ => 0,
        }
    }
}

/// Everything that a shim needs to run one container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartRequest {
    /// The container.
    pub id: ContainerId,
    /// The runtime configuration. `linux.seccomp` is absent when `seccomp_bpf` is given.
    pub spec: Spec,
    /// The root, to be mounted within the container's mount namespace.
    pub rootfs: RootFilesystem,
    /// A file with the compiled seccomp filter (array of `struct sock_filter`, native order).
    pub seccomp_bpf: Option<PathBuf>,
    /// Namespaces to join: `"net"`, `"ipc"`, `"pid"`, `"uts"`, `"cgroup"`, `"user"`. One fd each.
    /// The number is a placeholder for the position among the message's fds.
    pub namespaces: BTreeMap<String, NamespaceFd>,
    /// Streams that exist before the first byte of output, so that none is missed.
    pub attach: Vec<AttachStreams>,
    /// Whether stdin is kept open without an attached client (`OpenStdin`).
    pub open_stdin: bool,
    /// Whether stdin closes when the first client that had it goes (`StdinOnce`).
    pub stdin_once: bool,
    /// Initial terminal size (width, height), if `spec.process.terminal`.
    pub console_size: Option<(u16, u16)>,
    /// Where output is kept.
    pub log: LogTarget,
    /// A directory for the runtime's own files (bundle, FIFO), made by the engine.
    pub bundle: PathBuf,
    /// Path of an external OCI runtime and its arguments; `None`: Gantry's own, in-process.
    pub external_runtime: Option<ExternalRuntime>,
    /// Path of the init helper to bind at `/sbin/docker-init` when the container has `--init`.
    pub init_binary: Option<PathBuf>,
}

/// Marks a namespace fd in [`StartRequest::namespaces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceFd;

/// An OCI runtime command line (`runc`, `crun`, `youki`, ...).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExternalRuntime {
    /// Absolute path of the executable.
    pub path: PathBuf,
    /// Arguments before the subcommand.
    pub args: Vec<String>,
    /// `--root`: the runtime's state directory.
    pub root: PathBuf,
}

/// One more process in a running container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExecRequest {
    /// Names the session in later requests and events.
    pub id: ExecId,
    /// What to run and as whom.
    pub process: Process,
    /// The compiled filter; the same as init's, so that exec is confined alike.
    pub seccomp_bpf: Option<PathBuf>,
    /// Attached streams; at most one has stdin.
    pub attach: Vec<AttachStreams>,
    /// Whether the process gets a stdin pipe at all (otherwise `/dev/null`).
    pub open_stdin: bool,
    /// Initial terminal size (width, height).
    pub console_size: Option<(u16, u16)>,
}

/// What flows over one attached socket.
///
/// From the shim: with a terminal, raw bytes; without, Docker's stdcopy frames (`[1|2, 0, 0, 0,
/// u32 BE length]`, payload). To the shim: raw stdin bytes; a write shutdown is end of file. The
/// shim shuts its side down when the process has ended and its output is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachStreams {
    /// Client to process.
    pub stdin: bool,
    /// Process to client.
    pub stdout: bool,
    /// Process to client.
    pub stderr: bool,
}

/// Where the container's output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "driver")]
pub enum LogTarget {
    /// Docker's `json-file`: one `{"log":…,"stream":…,"time":…}` per line.
    JsonFile(LogFile),
    /// Docker's `local`: protobuf records.
    Local(LogFile),
    /// To a sink, by a `gantry-logger` of the container's own.
    Sink(LogSink),
    /// Nothing is kept.
    None,
}

/// A log in files; rotated ones get `.1`, `.2`, ... (newest first).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The current file.
    pub path: PathBuf,
    /// Rotate before a message that finds the file at this size or above (Docker's rule:
    /// a file may exceed it by one message); `None`: never.
    pub max_size_bytes: Option<u64>,
    /// How many files are kept, the current one included; at least 1.
    pub max_files: u32,
    /// Further attributes written into each record, from labels, env and tag options.
    pub attrs: BTreeMap<String, String>,
    /// A program that compresses rotated files (`PROGRAM compress PATH INODE`).
    #[serde(default)]
    pub compressor: Option<PathBuf>,
}

/// A sink outside, with what `logs` reads beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSink {
    /// `gantry-logger`.
    pub program: PathBuf,
    /// Its configuration: JSON of its own (`container_log::sink::Configuration`).
    pub configuration: String,
    /// Whether the container waits for the sink, rather than messages being dropped.
    pub is_blocking: bool,
    /// A copy of the messages in the `local` format.
    pub cache: Option<LogFile>,
}

/// The shim's answer to a [`Call`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    /// The call's serial.
    pub serial: u64,
    /// The outcome.
    pub answer: Answer,
}

/// Outcomes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Answer {
    /// The operation is complete.
    Done,
    /// A process runs.
    Started {
        /// Its pid in the shim's pid namespace.
        pid: i32,
    },
    /// Answers [`Request::Attach`] with `after_log`: the stream begins where the log is now. A
    /// shim of an older engine answers [`Answer::Done`].
    Attached {
        /// `None`: there is no log in files.
        log: Option<LogPosition>,
    },
    /// Answers [`Request::Status`].
    Status(ContainerStatus),
    /// It could not be done.
    Failed(Failure),
}

/// A place in a log: every record before it has been written, none behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// The file's.
    pub inode: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// A failure, whole, as it crosses the process boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The complete text with all its causes, in Docker's words where Docker has them.
    pub message: String,
    /// How the caller must react.
    pub kind: FailureKind,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The command does not exist in the container (exit code 127).
    CommandNotFound,
    /// The command exists and may not be executed (exit code 126).
    CommandNotExecutable,
    /// The configuration asks for something impossible (exit code 125/128, HTTP 400).
    Invalid,
    /// There is no such process, exec or terminal (HTTP 404/409).
    NotFound,
    /// The container's state forbids it (HTTP 409).
    Conflict,
    /// Anything else (HTTP 500).
    Internal,
}

/// What the shim knows of its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum ContainerStatus {
    /// No `Start` came yet.
    Idle,
    /// Init runs.
    Running {
        /// Init's pid.
        pid: i32,
        /// Nanoseconds since the Unix epoch.
        started_at_nanos: i64,
        /// Whether the cgroup is frozen.
        paused: bool,
        /// Exec sessions that run.
        execs: BTreeMap<ExecId, i32>,
    },
    /// Init has ended.
    Exited(ExitRecord),
}

/// How a container ended; also the content of `exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The exit code, or 128 + signal number.
    pub exit_code: i32,
    /// Whether the kernel's OOM killer ended a process of the container.
    pub oom_killed: bool,
    /// Nanoseconds since the Unix epoch.
    pub started_at_nanos: i64,
    /// Nanoseconds since the Unix epoch.
    pub finished_at_nanos: i64,
}

/// Unasked news from the shim.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// Init has ended, its output is drained into the log, the exit record is written. Cgroup and
    /// mounts may be there until a [`Request::Release`] is answered.
    Exited(ExitRecord),
    /// An exec's process has ended and its output is drained. Ends that no engine was there to
    /// hear are told to the next one, after [`Hello`].
    ExecExited {
        /// Which.
        id: ExecId,
        /// Exit code, or 128 + signal number.
        exit_code: i32,
    },
    /// The OOM killer acted while the container goes on. When it is init that was killed, the
    /// [`ExitRecord`] may be the only news of it.
    OutOfMemory,
}

/// Any message from the shim.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromShim {
    /// The first one.
    Hello(Hello),
    /// Answers a call.
    Reply(Reply),
    /// News.
    Event(Event),
}
