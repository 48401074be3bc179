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

const fn flag(
    long: &'static str,
    short: Option<char>,
    kind: Kind,
    description: &'static str,
) -> Flag {
    Flag { long, short, kind, default: "", description, is_hidden: false }
}

/// The options of the program itself.
pub const FLAGS: [Flag; 11] = [
    flag("config", None, Kind::Text, "Directory of the configuration"),
    flag("context", Some('c'), Kind::Text, "Context of the engine to talk to"),
    flag("debug", Some('D'), Kind::Bool, "Say what is done"),
    flag("host", Some('H'), Kind::List, "Address of the engine"),
    flag("log-level", Some('l'), Kind::Text, "Log level (debug, info, warn, error, fatal)"),
    flag("tls", None, Kind::Bool, "Use TLS"),
    flag("tlscacert", None, Kind::Text, "Trust only certificates signed by this authority"),
    flag("tlscert", None, Kind::Text, "The client's certificate"),
    flag("tlskey", None, Kind::Text, "The client's key"),
    flag("tlsverify", None, Kind::Bool, "Use TLS and verify the engine"),
    flag("version", Some('v'), Kind::Bool, "Print the version"),
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
