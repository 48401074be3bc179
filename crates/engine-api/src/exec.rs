//! Further processes in a running container.

use crate::null::unset;

document! {
    /// The body of `POST /containers/{id}/exec`.
    pub struct ExecCreateRequest {
        /// `USER[:GROUP]`.
        pub user: String = "User",
        /// With all capabilities.
        pub privileged: bool = "Privileged",
        /// On a terminal.
        pub tty: bool = "Tty",
        /// Height and width.
        pub console_size: Option<[u32; 2]> = "ConsoleSize" unless "unset",
        /// Connect stdin.
        pub attach_stdin: bool = "AttachStdin",
        /// Connect stderr.
        pub attach_stderr: bool = "AttachStderr",
        /// Connect stdout.
        pub attach_stdout: bool = "AttachStdout",
        /// Keys that detach the client, such as `ctrl-p,ctrl-q`.
        pub detach_keys: String = "DetachKeys",
        /// `KEY=VALUE`, added to the container's.
        pub env: Option<Vec<String>> = "Env",
        /// The current directory.
        pub working_dir: String = "WorkingDir",
        /// Program and arguments.
        pub cmd: Option<Vec<String>> = "Cmd",
    }

    /// An id as the whole answer (exec, commit).
    pub struct IdResponse {
        /// The new object's id.
        pub id: String = "Id",
    }

    /// The body of `POST /exec/{id}/start`.
    pub struct ExecStartRequest {
        /// Do not stay connected.
        pub detach: bool = "Detach",
        /// On a terminal.
        pub tty: bool = "Tty",
        /// Height and width.
        pub console_size: Option<[u32; 2]> = "ConsoleSize" unless "unset",
    }

    /// The answer of `GET /exec/{id}/json`.
    pub struct ExecInspect {
        /// The exec's id.
        pub id: String = "ID",
        /// Whether it runs.
        pub running: bool = "Running",
        /// `None` until it ended.
        pub exit_code: Option<i64> = "ExitCode",
        /// What runs.
        pub process_config: ProcessConfig = "ProcessConfig",
        /// Whether stdin is connected.
        pub open_stdin: bool = "OpenStdin",
        /// Whether stderr is connected.
        pub open_stderr: bool = "OpenStderr",
        /// Whether stdout is connected.
        pub open_stdout: bool = "OpenStdout",
        /// Whether its record may go.
        pub can_remove: bool = "CanRemove",
        /// The container it runs in.
        pub container_id: String = "ContainerID",
        /// Keys that detach, in base64.
        pub detach_keys: String = "DetachKeys",
        /// On the host; 0 before and after.
        pub pid: i64 = "Pid",
    }

    /// The process of an exec.
    pub struct ProcessConfig {
        /// On a terminal.
        pub tty: bool = "tty",
        /// The program.
        pub entrypoint: String = "entrypoint",
        /// Its arguments.
        pub arguments: Option<Vec<String>> = "arguments",
        /// With all capabilities.
        pub privileged: Option<bool> = "privileged" unless "unset",
        /// `USER[:GROUP]`.
        pub user: String = "user" unless "unset",
    }
}
