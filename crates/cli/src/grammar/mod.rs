//! The command language: which commands and flags there are, and how arguments are read.
//!
//! Flags are read as Go's `pflag` reads them, because scripts depend on its rules and people on its
//! texts: `--flag=false`, bundles (`-it`), glued values (`-p80:80`), `--`, and options that end at
//! the image's name. The tables in `data/` name everything; what a table does not name is refused
//! with a usage error.

mod check;
mod duration;
mod global;
mod parser;
mod size;
mod table;
mod unbuilt;
mod usage;
mod value;

pub use duration::parse_duration;
pub use global::{FLAGS as GLOBAL_FLAGS, parse_globals};
pub use parser::{Outcome, Parsed, parse};
pub use size::parse_memory;
pub use table::{Command, Flag, Found, commands, find, flags_of, group_members};
pub use unbuilt::unbuilt;
pub use usage::{argument_error, command_help, flag_error, group_help, root_help};
pub use value::Kind;
