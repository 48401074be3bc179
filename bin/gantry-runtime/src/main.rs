//! The OCI runtime command line over the `runtime` crate: what `runc` is to others, for
//! conformance suites, podman and containerd.
//!
//! No daemon; its only state is `ROOT/ID/` (see [`state`]). It runs from a read-only view of its
//! own executable, see [`sys::sealed`].

mod arguments;
mod container;
mod create;
mod descriptors;
mod events;
mod example;
mod execution;
mod features;
mod foreground;
mod lifecycle;
mod listing;
mod report;
mod state;
mod update;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    report::configure(&arguments);
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if arguments.systemd_cgroup {
        anyhow::bail!("--systemd-cgroup is not supported: cgroups are managed directly");
    }
    let makes_processes =
        matches!(arguments.command, Command::Create(_) | Command::Run(_) | Command::Exec(_));
    if makes_processes {
        sys::sealed::run_sealed()?;
    }
    let root = arguments.root.as_path();
    match &arguments.command {
        Command::Create(create) => create::create(root, create).map(|()| 0),
        Command::Run(run) => lifecycle::run(root, run),
        Command::Start { id } => lifecycle::start(root, id).map(|()| 0),
        Command::Kill { all, id, signal } => lifecycle::kill(root, id, signal, *all).map(|()| 0),
        Command::Delete { force, id } => lifecycle::delete(root, id, *force).map(|()| 0),
        Command::Pause { id } => lifecycle::pause(root, id).map(|()| 0),
        Command::Resume { id } => lifecycle::resume(root, id).map(|()| 0),
        Command::Update(update) => update::update(root, update).map(|()| 0),
        Command::Exec(exec) => execution::exec(root, exec),
        Command::State { id } => listing::state(root, id).map(|()| 0),
        Command::List { format, quiet } => listing::list(root, *format, *quiet).map(|()| 0),
        Command::Ps { format, id, options } => {
            listing::processes(root, id, *format, options).map(|()| 0)
        }
        Command::Events { interval, stats, id } => {
            let period = if *stats { None } else { Some(*interval) };
            events::events(root, id, period).map(|()| 0)
        }
        Command::Features => features::features().map(|()| 0),
        Command::Spec { bundle, rootless } => example::spec(bundle, *rootless).map(|()| 0),
        Command::Checkpoint { .. } | Command::Restore { .. } => {
            anyhow::bail!("checkpoint and restore are not supported")
        }
    }
}
