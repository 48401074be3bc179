//! What a supervisor's failure means to clients: Docker's words, exit code and kind.
//!
//! Docker's clients look for words in the text to choose their own exit code (125, 126, 127), so
//! texts and codes go together.

use shim_client::ShimError;
use shim_protocol::{Failure, FailureKind};

use crate::ContainerError;

/// Stands before the failure of a start.
pub(crate) const CREATE_FAILED: &str =
    "failed to create task for container: failed to create shim task: ";
/// Stands before the failure of an exec.
pub(crate) const EXEC_FAILED: &str = "OCI runtime exec failed: ";
/// Before this there is no task yet.
const LOG_FAILED: &str = "failed to initialize logging driver";
const LOG_PREFIX: &str = "failed to create task for container: ";

/// The exit code of a command that cannot be executed.
pub(crate) const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;
const UNKNOWN: i32 = 128;

/// Makes a supervisor's failure an error; `prefix` is what Docker writes before it.
pub(crate) fn shim_error(error: ShimError, prefix: &str) -> ContainerError {
    let text = types::error::chain(&error);
    let Some(failure) = error.failure() else { return ContainerError::Shim(text) };
    match failure.kind {
        FailureKind::NotFound if prefix.is_empty() => {
            ContainerError::Conflict(failure.message.clone())
        }
        FailureKind::Conflict => ContainerError::Conflict(failure.message.clone()),
        _ => {
            let (message, exit_code) = start_failure(failure);
            let is_log = message.starts_with(LOG_FAILED);
            let prefix = if is_log { LOG_PREFIX } else { prefix };
            let message = format!("{prefix}{}", message.trim_start_matches(prefix));
            ContainerError::StartFailed { message, exit_code }
        }
    }
}

/// The text and the exit code that Docker's clients expect.
fn start_failure(failure: &Failure) -> (String, i32) {
    let message = failure.message.clone();
    let says = |words: &str| message.to_lowercase().contains(words);
    let code = match failure.kind {
        FailureKind::CommandNotFound => NOT_FOUND,
        FailureKind::CommandNotExecutable => NOT_EXECUTABLE,
        _ if says("permission denied") || says("is a directory") => NOT_EXECUTABLE,
        _ if says("not a directory") || says("no such file or directory") => NOT_FOUND,
        _ => UNKNOWN,
    };
    if says("is a directory") && !says("permission denied") {
        return (format!("{message}: permission denied"), code);
    }
    if says("not a directory") {
        let hint = "Are you trying to mount a directory onto a file (or vice-versa)? Check if \
                    the specified host path exists and is the expected type";
        return (format!("{message}: {hint}"), code);
    }
    (message, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(message: &str, kind: FailureKind) -> (String, i32) {
        let failure = Failure { message: message.to_owned(), kind };
        match shim_error(ShimError::Failed(failure), EXEC_FAILED) {
            ContainerError::StartFailed { message, exit_code } => (message, exit_code),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn texts_and_codes_go_together() {
        let message = "OCI runtime exec failed: exec: \"x\": executable file not found in $PATH";
        let expected = (message.to_owned(), 127);
        assert_eq!(failed(message, FailureKind::CommandNotFound), expected);
        let (text, code) =
            failed("exec: \"/etc\": is a directory", FailureKind::CommandNotExecutable);
        assert!(text.ends_with("is a directory: permission denied") && code == 126);
        assert_eq!(failed("chdir to cwd: no such file or directory", FailureKind::Invalid).1, 127);
        let (text, code) = failed("mount: not a directory", FailureKind::Invalid);
        assert!(text.contains("vice-versa") && code == 127);
        assert_eq!(failed("something", FailureKind::Internal).1, 128);
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_no_task_s_failure() {
        let text = "failed to initialize logging driver: dial tcp 127.0.0.1:9: refused";
        let (message, _) = failed(text, FailureKind::Internal);
        assert_eq!(message, format!("failed to create task for container: {text}"));
    }
}
