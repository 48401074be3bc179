//! The signals that the lifecycle gives a meaning to.

use types::Signal;

use crate::ContainerError;

/// What `stop` sends unless the image or the caller says otherwise.
pub const DEFAULT_STOP: i32 = Signal::TERM.number();
/// Cannot be caught.
pub const KILL: i32 = Signal::KILL.number();

/// Parses a stop signal; the empty text is SIGTERM.
///
/// # Errors
/// [`ContainerError::Invalid`] with Docker's text.
pub fn parse_or_default(text: &str) -> Result<i32, ContainerError> {
    if text.is_empty() {
        return Ok(DEFAULT_STOP);
    }
    let parsed = text.parse::<Signal>();
    parsed.map(Signal::number).map_err(|error| ContainerError::Invalid(error.to_string()))
}
