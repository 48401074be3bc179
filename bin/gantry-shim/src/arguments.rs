//! The command line: `gantry-shim --dir DIR [--dir-fd N] [--connection-fd N]`.

use std::{
    ffi::{OsStr, OsString},
    os::fd::RawFd,
    path::PathBuf,
};

/// What the engine says at the start.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The shim's directory.
    pub dir: PathBuf,
    /// The directory, inherited open: it may have been renamed before the program came to look.
    /// `dir` is then only for those who read process lists.
    pub dir_handle: Option<RawFd>,
    /// An inherited, connected socket of the engine's.
    pub connection: Option<RawFd>,
}

/// Why a command line makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArgumentError {
    /// `--dir` is missing.
    #[error("--dir is required")]
    MissingDir,
    /// An option without its value.
    #[error("{0} needs a value")]
    MissingValue(&'static str),
    /// Not a descriptor number.
    #[error("{0:?} is not a descriptor number")]
    Number(OsString),
    /// Something else.
    #[error("unknown argument {0:?}")]
    Unknown(OsString),
}

impl Arguments {
    /// Parses what follows the program's name.
    ///
    /// # Errors
    /// See [`ArgumentError`].
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ArgumentError> {
        let (mut dir, mut dir_handle, mut connection) = (None, None, None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = |name| arguments.next().ok_or(ArgumentError::MissingValue(name));
            if argument == OsStr::new("--dir") {
                dir = Some(value("--dir")?.into());
            } else if argument == OsStr::new("--dir-fd") {
                dir_handle = Some(number(value("--dir-fd")?)?);
            } else if argument == OsStr::new("--connection-fd") {
                connection = Some(number(value("--connection-fd")?)?);
            } else {
                return Err(ArgumentError::Unknown(argument));
            }
        }
        Ok(Self { dir: dir.ok_or(ArgumentError::MissingDir)?, dir_handle, connection })
    }
}

fn number(text: OsString) -> Result<RawFd, ArgumentError> {
    let parsed = text.to_str().and_then(|text| text.parse().ok()).filter(|fd| *fd >= 0);
    parsed.ok_or(ArgumentError::Number(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn options_are_parsed_and_nonsense_is_refused() {
        let parsed = parse(&["--dir", "/x", "--dir-fd", "1", "--connection-fd", "0"]).unwrap();
        let expected = Arguments { dir: "/x".into(), dir_handle: Some(1), connection: Some(0) };
        assert_eq!(parsed, expected);
        assert_eq!(parse(&["--dir", "/x"]).unwrap().connection, None);
        assert_eq!(parse(&[]), Err(ArgumentError::MissingDir));
        assert_eq!(parse(&["--dir"]), Err(ArgumentError::MissingValue("--dir")));
        assert!(matches!(
            parse(&["--dir", "/x", "--connection-fd", "-1"]),
            Err(ArgumentError::Number(_))
        ));
        assert!(matches!(parse(&["-h"]), Err(ArgumentError::Unknown(_))));
    }
}
