//! The command line, as runc's.

use std::{path::PathBuf, time::Duration};

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
    /// Accepted for compatibility: what a caller without privileges may do, the kernel decides.
    #[arg(long)]
    pub rootless: Option<String>,
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
        #[arg(default_value = "TERM", allow_hyphen_values = true)]
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
        /// Options of ps(1); `-ef` unless given. Its output must have a column `PID`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Print what a container uses and how often the OOM killer came, as lines of JSON.
    Events {
        /// Time between two statistics, e.g. `5s` or `500ms`.
        #[arg(long, default_value = "5s", value_parser = interval)]
        interval: Duration,
        /// One statistic, no events.
        #[arg(long)]
        stats: bool,
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
        /// For a caller without privileges: with a user namespace of its own.
        #[arg(id = "rootless-spec", long = "rootless")]
        rootless: bool,
    },
    /// Not supported.
    #[command(hide = true)]
    Checkpoint {
        /// Anything.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Not supported.
    #[command(hide = true)]
    Restore {
        /// Anything.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

/// A duration as Go writes them, with one unit.
fn interval(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("needs a unit: ms, s, m or h".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| format!("{number:?} is not a number"))?;
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|interval| !interval.is_zero())
        .ok_or_else(|| "must be more than 0".to_owned())
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
    /// Move the root over `/` instead of pivoting: for a root on an initial ramdisk.
    #[arg(long)]
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    #[arg(long)]
    pub no_new_keyring: bool,
    /// How many descriptors above the standard streams (and `$LISTEN_FDS`) the process gets.
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
    /// Do not reap orphans of the container while waiting.
    #[arg(long)]
    pub no_subreaper: bool,
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
    /// How many descriptors above the standard streams (and `$LISTEN_FDS`) the process gets.
    #[arg(long, default_value_t = 0)]
    pub preserve_fds: u32,
    /// Further groups.
    #[arg(long, short = 'g')]
    pub additional_gids: Vec<u32>,
    /// SELinux label.
    #[arg(long)]
    pub process_label: Option<String>,
    /// AppArmor profile.
    #[arg(long)]
    pub apparmor: Option<String>,
    /// `PR_SET_NO_NEW_PRIVS`
    #[arg(long)]
    pub no_new_privs: bool,
    /// Capabilities besides the container's.
    #[arg(long, short)]
    pub cap: Vec<String>,
    /// A cgroup below the container's, `[CONTROLLERS:]PATH`.
    #[arg(long)]
    pub cgroup: Vec<String>,
    /// Also in a paused container: the process then waits until it is resumed.
    #[arg(long)]
    pub ignore_paused: bool,
    /// Container.
    pub id: String,
    /// Command, unless `--process` is given.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// `update`
#[derive(Debug, Args)]
pub struct Update {
    /// File with `linux.resources`, `-` for standard input; other options are then ignored.
    #[arg(long, short)]
    pub resources: Option<PathBuf>,
    /// Bytes, or with a unit.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory: Option<i64>,
    /// Bytes, or with a unit, with memory; -1: no limit.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory_swap: Option<i64>,
    /// Bytes, or with a unit.
    #[arg(long, allow_hyphen_values = true, value_parser = bytes)]
    pub memory_reservation: Option<i64>,
    /// Weight.
    #[arg(long = "cpu-share", alias = "cpu-shares")]
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// Microseconds.
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,
    /// Microseconds.
    #[arg(long)]
    pub cpu_burst: Option<u64>,
    /// Microseconds.
    #[arg(long)]
    pub cpu_rt_period: Option<u64>,
    /// Microseconds.
    #[arg(long, allow_hyphen_values = true)]
    pub cpu_rt_runtime: Option<i64>,
    /// `cpu.idle` of cgroup v2.
    #[arg(long)]
    pub cpu_idle: Option<i64>,
    /// List.
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// List.
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// Weight, 10 to 1000.
    #[arg(long)]
    pub blkio_weight: Option<u16>,
    /// Tasks.
    #[arg(long, allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
    /// Container.
    pub id: String,
}

/// Bytes, with a binary unit perhaps.
fn bytes(text: &str) -> Result<i64, String> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, shift) = match lower.chars().last() {
        Some('k') => (&lower[..lower.len() - 1], 10),
        Some('m') => (&lower[..lower.len() - 1], 20),
        Some('g') => (&lower[..lower.len() - 1], 30),
        Some('t') => (&lower[..lower.len() - 1], 40),
        _ => (lower, 0),
    };
    let number: i64 = number.parse().map_err(|_| format!("{text:?} is not a size"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}
