//! The options before the command.

use super::{
    parser::{FlagError, Outcome, Parsed, read},
    table::Flag,
    value::Kind,
};

/// What was given before the command.
#[derive(Debug, PartialEq, Eq)]
pub struct Globals {
    /// The flags; `args` holds the command and what follows it.
    pub parsed: Parsed,
    /// Whether help was asked for.
    pub is_help: bool,
}

const fn flag(long: &'static str, short: Option<char>, kind: Kind) -> Flag {
    Flag { long, short, kind, default: "", is_hidden: false }
}

/// The options of the program itself.
pub const FLAGS: [Flag; 11] = [
    flag("config", None, Kind::Text),
    flag("context", Some('c'), Kind::Text),
    flag("debug", Some('D'), Kind::Bool),
    flag("host", Some('H'), Kind::List),
    flag("log-level", Some('l'), Kind::Text),
    flag("tls", None, Kind::Bool),
    flag("tlscacert", None, Kind::Text),
    flag("tlscert", None, Kind::Text),
    flag("tlskey", None, Kind::Text),
    flag("tlsverify", None, Kind::Bool),
    flag("version", Some('v'), Kind::Bool),
];

/// Reads the options before the command.
///
/// # Errors
/// [`FlagError`] for the first that is wrong.
pub fn parse_globals(arguments: &[String]) -> Result<Globals, FlagError> {
    match read(&FLAGS, arguments, true)? {
        Outcome::Help => Ok(Globals { parsed: Parsed::default(), is_help: true }),
        Outcome::Parsed(parsed) => Ok(Globals { parsed, is_help: false }),
    }
}
