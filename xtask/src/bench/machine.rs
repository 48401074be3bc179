//! What was measured on what: programs and machine.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use super::{
    command::{is_installed, run},
    report::Table,
};

/// The programs whose versions matter, as far as they are installed.
const PROGRAMS: &[&str] = &["dockerd", "docker", "containerd", "runc", "podman", "docker-registry"];

/// A table of them.
///
/// # Errors
/// The kernel's files cannot be read.
pub fn describe(gantryd: &std::path::Path) -> Result<Table> {
    let mut table = Table::new("Machine and programs", &["", ""]);
    let mut row = |name: &str, text: &str| table.row(vec![name.to_owned(), text.to_owned()]);
    let processors = fs::read_to_string("/proc/cpuinfo").context("read cpuinfo")?;
    let models: Vec<_> = processors.lines().filter(|l| l.starts_with("model name")).collect();
    let model = models.first().and_then(|l| l.split_once(": ")).map_or("", |(_, model)| model);
    row("processors", &format!("{} x {model}", models.len()));
    let memory = fs::read_to_string("/proc/meminfo").context("read meminfo")?;
    row("memory", memory.lines().next().unwrap_or_default().trim_start_matches("MemTotal:").trim());
    row("kernel", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
    row("gantryd", &first_line(Command::new(gantryd).arg("--version"))?);
    for program in PROGRAMS.iter().filter(|program| is_installed(program)) {
        row(program, &first_line(Command::new(program).arg("--version"))?);
    }
    Ok(table)
}

fn first_line(command: &mut Command) -> Result<String> {
    Ok(run(command)?.lines().next().unwrap_or_default().to_owned())
}
