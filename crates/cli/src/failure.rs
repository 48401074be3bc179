//! Errors that carry an exit code or a text of their own. Everything else ends with code 1.

use client::ClientError;

use crate::output::OutputClosed;

/// An error with its exit code.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What is printed is exactly this.
    #[error("{text}")]
    Text {
        /// The text; nothing is printed when it is empty.
        text: String,
        /// Exit code.
        code: u8,
    },
    /// A command that is known and not built.
    #[error("gantry: '{0}' is not built yet in this version of Gantry")]
    NotBuilt(String),
}

/// What an error prints, one line or more.
#[must_use]
pub fn text(error: &anyhow::Error) -> String {
    if let Some(client) = error.downcast_ref::<ClientError>() {
        // Where nothing listens, the system's reason adds nothing to the question.
        if let ClientError::Engine { .. } | ClientError::Unreachable { .. } = client {
            return client.to_string();
        }
        return types::error::chain(client);
    }
    format!("{error:#}")
}

/// The exit code of an error.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Text { code, .. }) => *code,
        _ => 1,
    }
}

/// Prints an error, unless there is nothing to say.
pub fn report(error: &anyhow::Error) {
    let text = text(error);
    if !text.is_empty() && error.downcast_ref::<OutputClosed>().is_none() {
        crate::output::error_line(&text);
    }
}

/// The exit code by which `run` and `start` tell why a container did not start.
#[must_use]
pub fn start_code(message: &str) -> u8 {
    const NOT_FOUND: [&str; 3] = [
        "executable file not found",
        "no such file or directory",
        "system cannot find the file specified",
    ];
    let lower = message.to_lowercase();
    if NOT_FOUND.iter().any(|text| lower.contains(text)) {
        return 127;
    }
    if ["permission denied", "is a directory", "exec format error"]
        .iter()
        .any(|t| lower.contains(t))
    {
        return 126;
    }
    125
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_failed_start_chooses_the_code() {
        assert_eq!(start_code("exec: \"x\": executable file not found in $PATH: unknown"), 127);
        assert_eq!(start_code("exec /x: permission denied"), 126);
        assert_eq!(start_code("driver failed programming external connectivity"), 125);
    }
}
