//! The layer check: programs -> edges -> services -> mechanisms -> vocabulary.
//!
//! Reads `cargo metadata` and refuses an edge that points up or, within a layer, one that is not
//! on the list of allowed ones.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Layers from the bottom; a crate is named by its directory.
const LAYERS: &[(&str, &[&str])] = &[
    ("vocabulary", &["types", "engine-api", "oci", "dockerfile"]),
    (
        "mechanism",
        &[
            "sys",
            "content",
            "snapshot",
            "metadata",
            "distribution",
            "tls",
            "runtime",
            "shim-protocol",
            "shim-client",
            "container-log",
            "netdev",
            "firewall",
            "dns",
            "blob-store",
        ],
    ),
    ("service", &["image", "container", "network", "volume", "build", "registry", "hub"]),
    ("edge", &["engine-http", "client", "cli", "registry-http", "hub-http"]),
    (
        "program",
        &[
            "gantryd",
            "gantry-shim",
            "gantry-logger",
            "gantry-runtime",
            "gantry-init",
            "gantry",
            "gantry-hub",
        ],
    ),
    ("development", &["testkit", "xtask", "conformance"]),
];

/// Allowed dependencies within one layer, (from, to).
const WITHIN: &[(&str, &str)] = &[
    ("oci", "types"),
    ("engine-api", "types"),
    ("snapshot", "content"),
    ("distribution", "content"),
    ("distribution", "tls"),
    ("shim-client", "shim-protocol"),
    ("build", "container"),
    ("build", "image"),
    ("container", "image"),
    ("container", "network"),
    ("container", "volume"),
    ("hub", "registry"),
    ("cli", "client"),
    ("hub-http", "registry-http"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: std::path::PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<std::path::PathBuf>,
    kind: Option<String>,
}

fn directory(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, crates)| crates.contains(&name))
}

fn is_allowed(from: &str, to: &str) -> Result<bool> {
    let layer = |name| layer_of(name).with_context(|| format!("crate {name} has no layer"));
    let (above, below) = (layer(from)?, layer(to)?);
    // Every mechanism may use `sys`, the home of system calls.
    let is_sys = to == "sys" && LAYERS[above].0 == "mechanism";
    Ok(below < above || is_sys || WITHIN.contains(&(from, to)))
}

/// Runs the check.
///
/// # Errors
/// Lists every dependency that is not allowed.
pub fn check() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot parse cargo metadata")?;
    let mut refused = Vec::new();
    let mut counts = BTreeMap::<&str, usize>::new();
    for package in &metadata.packages {
        let from = package.manifest_path.parent().map(directory).unwrap_or_default();
        let layer =
            layer_of(&from).with_context(|| format!("crate {} has no layer", package.name))?;
        *counts.entry(LAYERS[layer].0).or_default() += 1;
        let normal = package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev"));
        for to in normal.filter_map(|d| d.path.as_deref()).map(directory) {
            if !is_allowed(&from, &to)? {
                refused.push(format!("{from} -> {to}"));
            }
        }
    }
    if !refused.is_empty() {
        bail!("dependencies that do not point down:\n  {}", refused.join("\n  "));
    }
    println!("layers hold: {counts:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_sideways_are_refused() {
        assert!(is_allowed("container", "runtime").unwrap());
        assert!(is_allowed("runtime", "sys").unwrap());
        assert!(!is_allowed("runtime", "container").unwrap());
        assert!(!is_allowed("image", "container").unwrap());
        assert!(!is_allowed("types", "sys").unwrap());
        assert!(is_allowed("nosuch", "sys").is_err());
    }
}
