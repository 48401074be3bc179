//! Measures what one more running container costs in its shim: starts so many shims of the given
//! binary, each with a sleeping container, and prints their memory by `smaps_rollup`.
//!
//! `idle_memory GANTRY_SHIM [COUNT]`; needs root and a static `/bin/busybox`.

mod container;

use std::{error::Error, fs, path::PathBuf};

use container::{make_rootfs, start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let binary = PathBuf::from(arguments.next().ok_or("usage: idle_memory GANTRY_SHIM [COUNT]")?);
    let count = match arguments.next() {
        Some(text) => text.to_str().ok_or("not a number")?.parse()?,
        None => 10,
    };
    let root = tempfile::tempdir()?;
    make_rootfs(&root.path().join("rootfs"))?;
    let mut shims = Vec::new();
    for number in 0..count {
        shims.push(start(&binary, root.path(), number, "exec sleep 1000").await?);
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    for key in ["Pss", "Pss_Anon", "Private_Dirty", "Private_Clean", "Rss"] {
        let mut values = Vec::new();
        for (shim, _) in &shims {
            values.push(kilobytes(shim.hello().await?.pid, key)?);
        }
        values.sort_unstable();
        println!("{key}: median {} kB of {count} shims", values[values.len() / 2]);
    }
    for (shim, events) in &mut shims {
        shim.signal(None, 9).await?;
        events.recv().await.ok_or("the shim is lost")?;
        shim.release().await?;
    }
    Ok(())
}

fn kilobytes(pid: i32, key: &str) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find(|line| line.starts_with(&format!("{key}:")));
    let value = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    Ok(value.ok_or("no such key")?.parse()?)
}
