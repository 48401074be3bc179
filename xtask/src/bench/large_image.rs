//! An image of ten layers and 500 MB in the archive format that every engine loads.

use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::command::run;

pub const LAYERS: usize = 10;
const FILES: usize = 50;
const FILE_BYTES: usize = 1 << 20;
const REPOSITORY: &str = "bench-large";

/// Its name once it is loaded.
pub const NAME: &str = "bench-large:1";

/// Writes the archive; the content is the same on every machine.
///
/// # Errors
/// The disk is full, or `tar` or `sha256sum` fail.
pub fn make(dir: &Path) -> Result<PathBuf> {
    let tree = dir.join("large");
    let mut diff_ids = Vec::new();
    for layer in 0..LAYERS {
        diff_ids.push(make_layer(&tree.join(layer.to_string()), layer)?);
    }
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {}, "history": [],
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let layers: Vec<_> = (0..LAYERS).map(|layer| format!("{layer}/layer.tar")).collect();
    let manifest = serde_json::json!([{
        "Config": "config.json", "RepoTags": [format!("{REPOSITORY}:1")], "Layers": layers,
    }]);
    fs::write(tree.join("config.json"), config.to_string())?;
    fs::write(tree.join("manifest.json"), manifest.to_string())?;
    let archive = dir.join("large.tar");
    run(Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(&archive).arg("."))?;
    fs::remove_dir_all(&tree)?;
    Ok(archive)
}

fn make_layer(dir: &Path, layer: usize) -> Result<String> {
    let content = dir.join("content").join(format!("layer-{layer}"));
    fs::create_dir_all(&content).with_context(|| format!("make {}", content.display()))?;
    for file in 0..FILES {
        write_file(&content.join(file.to_string()), (layer * FILES + file) as u64)?;
    }
    let archive = dir.join("layer.tar");
    let tree = dir.join("content");
    let mut tar = Command::new("tar");
    tar.args(["--mtime=@0", "--sort=name"]).arg("-C").arg(&tree).arg("-cf").arg(&archive).arg(".");
    run(&mut tar)?;
    fs::remove_dir_all(&tree)?;
    let sum = run(Command::new("sha256sum").arg(&archive))?;
    let hex = sum.split(' ').next().context("sha256sum printed nothing")?;
    Ok(format!("sha256:{hex}"))
}

/// Half noise, half text, so that it compresses to about 60 per cent, as programs do.
fn write_file(path: &Path, seed: u64) -> Result<()> {
    const TEXT: &[u8; 32] = b"the same line again and again.\n\n";
    let mut output = BufWriter::new(fs::File::create(path)?);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..FILE_BYTES / 64 {
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            output.write_all(&state.to_le_bytes())?;
        }
        output.write_all(TEXT)?;
    }
    output.flush().with_context(|| format!("write {}", path.display()))
}
