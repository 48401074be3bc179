//! Commands that only tell.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};
use runtime::hook::OCI_VERSION;
use serde_json::json;

use crate::{arguments::ListFormat, container::Container};

pub fn state(root: &Path, id: &str) -> anyhow::Result<()> {
    let container = Container::load(root, id)?;
    let document = container.document(container.status());
    let mut value = serde_json::to_value(document)?;
    value["rootfs"] = json!(rootfs(&container));
    value["created"] = json!(container.record.created);
    println!("{}", serde_json::to_string_pretty(&value)?);
    Ok(())
}

fn rootfs(container: &Container) -> std::path::PathBuf {
    let root = container.record.spec.root.clone().unwrap_or_default();
    container.record.bundle.join(root.path)
}

pub fn list(root: &Path, format: ListFormat, quiet: bool) -> anyhow::Result<()> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(e).with_context(|| format!("list {}", root.display())),
    };
    // A directory without a record is a creation under way.
    let mut containers: Vec<Container> = entries
        .iter()
        .filter_map(|entry| Container::load(root, entry.file_name().to_str()?).ok())
        .collect();
    containers.sort_by(|a, b| a.record.id.cmp(&b.record.id));
    if quiet {
        containers.iter().for_each(|c| println!("{}", c.record.id));
        return Ok(());
    }
    if format == ListFormat::Json {
        let documents: Vec<_> = containers
            .iter()
            .map(|c| {
                json!({
                    "ociVersion": OCI_VERSION,
                    "id": c.record.id,
                    "pid": c.document(c.status()).pid.unwrap_or(0),
                    "status": c.status().name(),
                    "bundle": c.record.bundle,
                    "rootfs": rootfs(c),
                    "created": c.record.created,
                })
            })
            .collect();
        println!("{}", serde_json::to_string(&documents)?);
        return Ok(());
    }
    println!("{:<24} {:<10} {:<10} {:<32} CREATED", "ID", "PID", "STATUS", "BUNDLE");
    for c in &containers {
        let status = c.status();
        println!(
            "{:<24} {:<10} {:<10} {:<32} {}",
            c.record.id,
            c.document(status).pid.unwrap_or(0),
            status.name(),
            c.record.bundle.display(),
            c.record.created
        );
    }
    Ok(())
}

pub fn processes(
    root: &Path,
    id: &str,
    format: ListFormat,
    options: &[String],
) -> anyhow::Result<()> {
    let pids = Container::load(root, id)?.cgroup.pids()?;
    if format == ListFormat::Json {
        println!("{}", serde_json::to_string(&pids)?);
        return Ok(());
    }
    let mut ps = Command::new("ps");
    if options.is_empty() {
        ps.arg("-ef")
    } else {
        ps.args(options)
    };
    let output = ps.output().context("run ps")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("ps: {}: {}{text}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default();
    let column = title
        .split_whitespace()
        .position(|word| word == "PID")
        .context("ps printed no column PID")?;
    println!("{title}");
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            println!("{line}");
        }
    }
    Ok(())
}
