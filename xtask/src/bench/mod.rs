//! `cargo xtask bench`: Gantry, Docker and Podman side by side on this machine.
//!
//! Each scenario starts fresh engines on places of their own, measures in interleaved rounds (one
//! measurement of each subject per round, so that a disturbance meets all), and removes everything
//! afterwards. Medians and the tenth and ninetieth percentile are printed and put into
//! `docs/benchmarks.md`; the load of the machine is given beside them.

mod api;
mod command;
mod engine;
mod fleet;
mod large_image;
mod leftover;
mod machine;
mod process;
mod registry;
mod report;
mod sample;
mod scenario;
mod shield;
mod site;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use fleet::Ground;

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Few rounds, and figures are printed only
    #[arg(long)]
    quick: bool,
    /// Only this scenario; may be repeated
    #[arg(long, value_name = "NAME", value_parser = scenario::names())]
    only: Vec<String>,
    /// Take the programs as they are in this directory instead of building target/release
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// Runs the scenarios.
///
/// # Errors
/// A scenario fails; those before it are in the document already.
pub fn run(options: &Options) -> Result<()> {
    if !Path::new("/proc/self/ns").exists() || command::run(Command::new("id").arg("-u"))? != "0" {
        bail!("bench starts engines: it must be root, on Linux");
    }
    let workspace = workspace()?;
    let programs = match &options.programs {
        Some(dir) => fs::canonicalize(dir)?,
        None => build(&workspace)?,
    };
    site::sweep();
    let _leftovers = leftover::Leftovers::note();
    let scratch = site::Scratch::new()?;
    let _shield = shield::Shield::raise()?;
    let rootfs = fleet::make_rootfs(scratch.path())?;
    let ground = Ground { programs, rootfs, is_quick: options.quick };
    let machine = machine::describe(&ground.programs.join("gantryd"))?.markdown();
    publish(&ground, &workspace, "machine", &machine)?;
    let mut failed = Vec::new();
    for scenario in scenario::ALL {
        let is_wanted = options.only.is_empty() || options.only.iter().any(|n| n == scenario.name);
        if !is_wanted {
            continue;
        }
        if let Err(error) = measure(&ground, scenario, &workspace) {
            eprintln!("{}: {error:#}", scenario.name);
            failed.push(scenario.name);
        }
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

fn measure(ground: &Ground, scenario: &scenario::Scenario, workspace: &Path) -> Result<()> {
    eprintln!("measuring {} ...", scenario.name);
    let before = load()?;
    let tables = (scenario.run)(ground)?;
    let after = load()?;
    let mut text: String =
        tables.iter().map(report::Table::markdown).collect::<Vec<_>>().join("\n");
    text.push_str(&format!("\nLoad average of the machine: {before} before, {after} after.\n"));
    publish(ground, workspace, scenario.name, &text)
}

/// Prints a section and, if it has enough rounds, puts it into the document.
fn publish(ground: &Ground, workspace: &Path, name: &str, text: &str) -> Result<()> {
    println!("## {name}\n\n{text}");
    if ground.is_quick {
        return Ok(());
    }
    report::put(&workspace.join("docs/benchmarks.md"), name, &format!("## {name}\n\n{text}"))
}

/// The one-minute load average.
fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("read the load average")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

fn workspace() -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is in a workspace")?;
    Ok(dir.to_owned())
}

fn build(workspace: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--bins"])
        .current_dir(workspace)
        .status()
        .context("start cargo")?;
    if !status.success() {
        bail!("cargo build --release: {status}");
    }
    Ok(workspace.join("target/release"))
}
