//! Image names with docker's texts for those that are none.

use types::{Reference, ReferenceError};

/// Reads a name.
///
/// # Errors
/// In docker's words.
pub fn parse(text: &str) -> anyhow::Result<Reference> {
    text.parse::<Reference>().map_err(|error| match error {
        ReferenceError::Uppercase(path) if !path.contains('/') && !text.contains('/') => {
            ReferenceError::Uppercase(format!("library/{path}")).into()
        }
        ReferenceError::Digest(_) => ReferenceError::Format.into(),
        error => error.into(),
    })
}

/// Checks a text that is the name or the id of an image.
///
/// # Errors
/// As [`parse`].
pub fn check_name_or_id(text: &str) -> anyhow::Result<()> {
    match text.parse::<Reference>() {
        Ok(_) | Err(ReferenceError::LooksLikeId(_)) => Ok(()),
        Err(_) => parse(text).map(drop),
    }
}
