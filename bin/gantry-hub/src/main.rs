//! gantry-hub: the registry with accounts, one program over one directory.
//!
//! Reads the configuration, wires the crates, runs, and maps the outcome to an exit code.

mod arguments;
mod config;
mod data;
mod repositories;
mod serve;
mod users;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry-hub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Serve(options) => serve::run(options),
        Command::CheckConfig(place) => {
            let settings = config::Config::read(&place)?.settle()?;
            serve::check(&settings)?;
            println!("configuration is good");
            Ok(())
        }
        Command::User { place, action } => users::run(&place, action),
        Command::Repo { place, action } => repositories::run(&place, action),
    }
}
