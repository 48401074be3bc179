//! What can go wrong, and how it crosses from a container's init to the caller.
//!
//! The words of the `exec:` and `chdir` errors are those that Docker's users and clients know:
//! clients match on them to choose exit codes 126 and 127.

use std::{fmt, io, path::PathBuf};

use serde::{Deserialize, Serialize};
use types::{Classify, ErrorKind};

/// How a caller must react.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeErrorKind {
    /// The command does not exist in the container (exit code 127).
    CommandNotFound,
    /// The command exists and may not be executed (exit code 126).
    CommandNotExecutable,
    /// The configuration asks for something impossible.
    Invalid,
    /// There is no such container or process.
    NotFound,
    /// The container's state forbids it.
    Conflict,
    /// Anything else.
    Internal,
}

/// A system call's error, shown as Go programs show it: lower case, without a number.
#[derive(Debug)]
pub struct Errno(pub io::Error);

impl Errno {
    /// The raw error number, if it came from the kernel.
    #[must_use]
    pub fn raw(&self) -> Option<i32> {
        self.0.raw_os_error()
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let mut chars = text.chars();
        match chars.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), chars.as_str()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Errno {}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

impl From<rustix::io::Errno> for Errno {
    fn from(error: rustix::io::Errno) -> Self {
        Self(error.into())
    }
}

/// Why a container or process could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A bare command is in no directory of `PATH`.
    #[error("exec: {command:?}: executable file not found in $PATH")]
    NotInPath {
        /// As given.
        command: String,
    },
    /// A command with a path cannot be found.
    #[error("exec: {command:?}: stat {command}")]
    CommandMissing {
        /// As given.
        command: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// A command exists and is not executable.
    #[error("exec: {command:?}")]
    NotExecutable {
        /// As given.
        command: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// `execve` itself failed.
    #[error("exec {path}")]
    Execute {
        /// The resolved path.
        path: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The working directory cannot be entered.
    #[error("chdir to cwd ({cwd:?}) set in config.json failed")]
    WorkingDirectory {
        /// As given.
        cwd: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The working directory is not below the container's root (CVE-2024-21626).
    #[error(
        "current working directory is outside of container mount namespace root -- possible \
         container breakout detected"
    )]
    Breakout,
    /// A mount failed.
    #[error("error mounting {origin:?} to rootfs at {destination:?}: {step}")]
    Mount {
        /// Device, path or file system type.
        origin: String,
        /// In the container.
        destination: String,
        /// What of it.
        step: &'static str,
        /// Why.
        #[source]
        source: Errno,
    },
    /// A system call failed.
    #[error("{operation} {subject}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// On what.
        subject: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// A field of the configuration has a value that cannot be.
    #[error("invalid {field} {value:?}: {reason}")]
    Field {
        /// Name in `config.json`.
        field: &'static str,
        /// What it says.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// The configuration uses a feature that is not built.
    #[error("{feature} is not supported")]
    Unsupported {
        /// Which.
        feature: &'static str,
    },
    /// The container's init reported a failure.
    #[error("{message}")]
    Init {
        /// Whole text, with its causes.
        message: String,
        /// Its kind.
        kind: RuntimeErrorKind,
    },
    /// The container's init ended without a word, e.g. by a signal.
    #[error("the container's init ended before it was set up")]
    InitVanished,
    /// The seccomp policy cannot be compiled.
    #[error("seccomp policy")]
    Seccomp(#[from] crate::seccomp::SeccompError),
    /// A cgroup operation failed.
    #[error("cgroup")]
    Cgroup(#[from] crate::cgroup::CgroupError),
    /// A hook failed.
    #[error("{point} hook {path:?}: {outcome}")]
    Hook {
        /// Point of the lifecycle.
        point: &'static str,
        /// The program.
        path: PathBuf,
        /// How it ended.
        outcome: String,
    },
    /// An external runtime failed.
    #[error("{runtime:?} {operation}: {message}")]
    External {
        /// The program.
        runtime: PathBuf,
        /// The subcommand.
        operation: &'static str,
        /// What it said.
        message: String,
        /// Derived from the words.
        kind: RuntimeErrorKind,
    },
}

impl RuntimeError {
    /// A failed system call.
    pub(crate) fn system(
        operation: &'static str,
        subject: impl fmt::Display,
        source: impl Into<Errno>,
    ) -> Self {
        Self::System { operation, subject: subject.to_string(), source: source.into() }
    }

    /// A field that cannot be.
    pub(crate) fn field(
        field: &'static str,
        value: impl fmt::Display,
        reason: &'static str,
    ) -> Self {
        Self::Field { field, value: value.to_string(), reason }
    }

    /// How the caller must react.
    #[must_use]
    pub fn runtime_kind(&self) -> RuntimeErrorKind {
        match self {
            Self::NotInPath { .. } => RuntimeErrorKind::CommandNotFound,
            Self::CommandMissing { source, .. } | Self::Execute { source, .. } => {
                command_kind(source)
            }
            Self::NotExecutable { .. } => RuntimeErrorKind::CommandNotExecutable,
            Self::WorkingDirectory { .. }
            | Self::Breakout
            | Self::Field { .. }
            | Self::Unsupported { .. }
            | Self::Mount { .. }
            | Self::Seccomp(_) => RuntimeErrorKind::Invalid,
            Self::Init { kind, .. } | Self::External { kind, .. } => *kind,
            Self::System { .. } | Self::InitVanished | Self::Cgroup(_) | Self::Hook { .. } => {
                RuntimeErrorKind::Internal
            }
        }
    }

    /// The text with all causes.
    #[must_use]
    pub fn message(&self) -> String {
        types::error::chain(self)
    }
}

fn command_kind(source: &Errno) -> RuntimeErrorKind {
    match source.raw() {
        Some(libc::ENOENT) => RuntimeErrorKind::CommandNotFound,
        _ => RuntimeErrorKind::CommandNotExecutable,
    }
}

impl Classify for RuntimeError {
    fn kind(&self) -> ErrorKind {
        if matches!(self, Self::Unsupported { .. }) {
            return ErrorKind::NotImplemented;
        }
        match self.runtime_kind() {
            RuntimeErrorKind::CommandNotFound
            | RuntimeErrorKind::CommandNotExecutable
            | RuntimeErrorKind::Invalid => ErrorKind::InvalidArgument,
            RuntimeErrorKind::NotFound => ErrorKind::NotFound,
            RuntimeErrorKind::Conflict => ErrorKind::Conflict,
            RuntimeErrorKind::Internal => ErrorKind::Internal,
        }
    }
}

/// The text of a failed start, with the words before it that Docker's clients are used to.
#[must_use]
pub fn start_failure(error: &RuntimeError) -> String {
    format!(
        "failed to create task for container: failed to create shim task: OCI runtime create \
         failed: unable to start container process: error during container init: {}",
        error.message()
    )
}

/// The text of a failed exec, with the words before it that Docker's clients are used to.
#[must_use]
pub fn exec_failure(error: &RuntimeError) -> String {
    format!(
        "OCI runtime exec failed: exec failed: unable to start container process: {}",
        error.message()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_dockers() {
        let missing = RuntimeError::CommandMissing {
            command: "/nosuch".into(),
            source: io::Error::from_raw_os_error(libc::ENOENT).into(),
        };
        assert_eq!(missing.message(), "exec: \"/nosuch\": stat /nosuch: no such file or directory");
        assert_eq!(missing.runtime_kind(), RuntimeErrorKind::CommandNotFound);
        let bare = RuntimeError::NotInPath { command: "nosuch".into() };
        assert_eq!(bare.message(), "exec: \"nosuch\": executable file not found in $PATH");
        let denied = RuntimeError::NotExecutable {
            command: "/etc".into(),
            source: io::Error::from_raw_os_error(libc::EISDIR).into(),
        };
        assert_eq!(denied.message(), "exec: \"/etc\": is a directory");
    }
}
