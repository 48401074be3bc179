//! Docker's command language.
//!
//! [`main`] reads the arguments by the tables in [`grammar`], opens a [`session::Session`] and runs
//! the command's function from [`commands`]. Behaviour, texts and exit codes are those of the
//! `docker` CLI 28.2, except for the product's name; `tests/differential.rs` holds the two side by
//! side. What is known and not built says so and fails.

mod commands;
mod completion;
mod config;
mod container_options;
mod failure;
mod filters;
mod grammar;
mod human;
mod interactive;
mod manifest_list;
mod output;
mod progress;
mod reference;
mod registry;
mod session;
mod template;
mod terminal;
mod timezone;

use failure::Failure;
use grammar::{Command, Found, Outcome, Parsed};
use session::Session;

/// Exit code for a flag that is wrong.
const FLAG_ERROR: u8 = 125;

/// Runs the program with `arguments` (without its own name) and gives the exit code.
#[must_use]
pub fn main(arguments: &[String]) -> u8 {
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            failure::report(&error);
            failure::code(&error)
        }
    }
}

fn refused(text: String, code: u8) -> anyhow::Error {
    Failure::Text { text, code }.into()
}

fn dispatch(arguments: &[String]) -> anyhow::Result<u8> {
    let globals = grammar::parse_globals(arguments)
        .map_err(|e| refused(grammar::flag_error(None, "", &e.0), FLAG_ERROR))?;
    let words = &globals.parsed.args;
    if words.first().is_some_and(|word| word == completion::REQUEST) {
        return completion::answer(&globals.parsed, &words[1..]);
    }
    if globals.is_help {
        output::print(&grammar::root_help())?;
        return Ok(0);
    }
    if globals.parsed.flag("version") {
        output::line(&format!("Gantry version {}", session::VERSION))?;
        return Ok(0);
    }
    let level = globals.parsed.text("log-level");
    if !matches!(
        level,
        "" | "debug" | "info" | "warn" | "warning" | "error" | "fatal" | "panic" | "trace"
    ) {
        return Err(refused(format!("Unable to parse logging level: {level}"), 1));
    }
    if words.is_empty() {
        output::error_line(&grammar::root_help());
        return Ok(0);
    }
    if words[0] == "help" {
        return help(&words[1..]);
    }
    match grammar::find(words) {
        Found::Command(command, used) => {
            let typed = words[..used].join(" ");
            invoke(&globals.parsed, command, typed, &words[used..])
        }
        Found::Group(group) => group_only(&group, words.get(1).map(String::as_str)),
        Found::Unknown => Err(refused(
            format!(
                "gantry: unknown command: gantry {}\n\nRun 'gantry --help' for more information",
                words[0]
            ),
            1,
        )),
    }
}

fn help(words: &[String]) -> anyhow::Result<u8> {
    let text = match grammar::find(words) {
        Found::Command(command, used) => grammar::command_help(&command, &words[..used].join(" ")),
        Found::Group(group) => grammar::group_help(&group),
        Found::Unknown if words.is_empty() => grammar::root_help(),
        Found::Unknown => {
            return Err(refused(format!("unknown help topic: {}", words.join(" ")), 1));
        }
    };
    output::print(&text)?;
    Ok(0)
}

/// A group without one of its commands.
fn group_only(group: &Command, word: Option<&str>) -> anyhow::Result<u8> {
    match word {
        None => {
            output::error_line(grammar::group_help(group).trim_end());
            Ok(0)
        }
        Some("--help" | "-h") => {
            output::print(&grammar::group_help(group))?;
            Ok(0)
        }
        Some(flag) if flag.starts_with("--") => {
            let reason = format!("unknown flag: {flag}");
            Err(refused(grammar::flag_error(Some(group), group.path, &reason), FLAG_ERROR))
        }
        Some(flag) if flag.starts_with('-') && flag.len() > 1 => {
            let letter = flag.chars().nth(1).unwrap_or('-');
            let reason = format!("unknown shorthand flag: '{letter}' in {flag}");
            Err(refused(grammar::flag_error(Some(group), group.path, &reason), FLAG_ERROR))
        }
        Some(word) => Err(refused(
            format!(
                "gantry: unknown command: gantry {path} {word}\n\nUsage:  gantry {path}\n\n\
                 Run 'gantry {path} --help' for more information",
                path = group.path
            ),
            1,
        )),
    }
}

fn invoke(
    globals: &Parsed,
    command: Command,
    typed: String,
    rest: &[String],
) -> anyhow::Result<u8> {
    let outcome = grammar::parse(&command, rest)
        .map_err(|e| refused(grammar::flag_error(Some(&command), &typed, &e.0), FLAG_ERROR))?;
    let flags = match outcome {
        Outcome::Parsed(flags) => flags,
        Outcome::Help => {
            output::print(&grammar::command_help(&command, &typed))?;
            return Ok(0);
        }
    };
    if let Some(text) = grammar::argument_error(&command, &typed, flags.args.len()) {
        return Err(refused(text, 1));
    }
    if let Some(flag) = grammar::unbuilt(command.path, &flags) {
        return Err(Failure::NotBuilt(format!("{typed} {flag}")).into());
    }
    let session = Session::open(globals, typed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(commands::run(command.path, &session, &flags));
    // A thread may be blocked on standard input; it has nothing left to say.
    runtime.shutdown_background();
    result
}
