//! The command line, as runc's.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Gantry's OCI runtime.
#[derive(Debug, Parser)]
#[command(name = "gantry-runtime", version = version())]
pub struct Arguments {
    /// Directory of the containers' state.
    #[arg(long, default_value = "/run/gantry/runtime", global = true)]
    pub root: PathBuf,
    /// Where errors are written besides standard error.
    #[arg(long, global = true)]
    pub log: Option<PathBuf>,
    /// Form of the log.
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// More detail in the log (accepted for compatibility: errors are whole anyway).
    #[arg(long, global = true)]
    pub debug: bool,
    /// Not supported.
    #[arg(long, global = true)]
    pub systemd_cgroup: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn version() -> String {
    format!("{}\nspec: {}", env!("CARGO_PKG_VERSION"), runtime::hook::OCI_VERSION)
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines.
    Text,
    /// One JSON object per line.
    Json,
}

/// Form of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Columns.
    Table,
    /// JSON.
    Json,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a container; its process waits for `start`.
    Create(Create),
    /// Run the process of a created container.
    Start {
        /// Container.
        id: String,
    },
    /// Create and start a container.
    Run(Run),
    /// Print a container's state.
    State {
        /// Container.
        id: String,
    },
    /// Send a signal to a container's process.
    Kill {
        /// To all of its processes.
        #[arg(long, short)]
        all: bool,
        /// Container.
        id: String,
        /// Name or number.
        #[arg(default_value = "TERM")]
        signal: String,
    },
    /// Remove a stopped container.
    Delete {
        /// Kill it first; no error if it does not exist.
        #[arg(long, short)]
        force: bool,
        /// Container.
        id: String,
    },
    /// Run a further process in a container.
    Exec(Exec),
    /// List containers.
    List {
        /// Form.
        #[arg(long, short, value_enum, default_value = "table")]
        format: ListFormat,
        /// Ids only.
        #[arg(long, short)]
        quiet: bool,
    },
    /// List a container's processes.
    Ps {
        /// Form.
        #[arg(long, short, value_enum, default_value = "table")]
        format: ListFormat,
        /// Container.
        id: String,
    },
    /// Freeze a container.
    Pause {
        /// Container.
        id: String,
    },
    /// Thaw a container.
    Resume {
        /// Container.
        id: String,
    },
    /// Change a container's limits.
    Update(Update),
    /// Print what this runtime can do.
    Features,
    /// Write a configuration to start from.
    Spec {
        /// Where to.
        #[arg(long, short, default_value = ".")]
        bundle: PathBuf,
    },
}

/// `create`
#[derive(Debug, Args)]
pub struct Create {
    /// Directory with `config.json`.
    #[arg(long, short, default_value = ".")]
    pub bundle: PathBuf,
    /// Unix socket that gets the terminal.
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// File that gets the process's pid.
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// Not supported.
    #[arg(long)]
    pub no_pivot: bool,
    /// Accepted; Gantry makes no session keyring.
    #[arg(long)]
    pub no_new_keyring: bool,
    /// Only 0 is supported.
    #[arg(long, default_value_t = 0)]
    pub preserve_fds: u32,
    /// Container.
    pub id: String,
}

/// `run`
#[derive(Debug, Args)]
pub struct Run {
    /// Do not wait for its end.
    #[arg(long, short)]
    pub detach: bool,
    /// Leave the container's state when it has ended.
    #[arg(long)]
    pub keep: bool,
    /// As of `create`.
    #[command(flatten)]
    pub create: Create,
}

/// `exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// File with the process's configuration.
    #[arg(long, short)]
    pub process: Option<PathBuf>,
    /// With a terminal.
    #[arg(long, short)]
    pub tty: bool,
    /// Working directory.
    #[arg(long)]
    pub cwd: Option<String>,
    /// `NAME=value`
    #[arg(long, short)]
    pub env: Vec<String>,
    /// `UID[:GID]`
    #[arg(long, short)]
    pub user: Option<String>,
    /// File that gets the process's pid.
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// Do not wait for its end.
    #[arg(long, short)]
    pub detach: bool,
    /// Unix socket that gets the terminal.
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// Only 0 is supported.
    #[arg(long, default_value_t = 0)]
    pub preserve_fds: u32,
    /// Container.
    pub id: String,
    /// Command, unless `--process` is given.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// `update`
#[derive(Debug, Args)]
pub struct Update {
    /// File with `linux.resources`, `-` for standard input.
    #[arg(long, short)]
    pub resources: Option<PathBuf>,
    /// Bytes.
    #[arg(long)]
    pub memory: Option<i64>,
    /// Bytes, with memory.
    #[arg(long)]
    pub memory_swap: Option<i64>,
    /// Bytes.
    #[arg(long)]
    pub memory_reservation: Option<i64>,
    /// Weight.
    #[arg(long, alias = "cpu-share")]
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// Microseconds.
    #[arg(long)]
    pub cpu_quota: Option<i64>,
    /// List.
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// List.
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Tasks.
    #[arg(long)]
    pub pids_limit: Option<i64>,
    /// Container.
    pub id: String,
}
