//! Measures a container's way through its shim: start (until `execve`), life of `true` (until the
//! exit event), release; then how fast a gigabyte of output reaches the log.
//!
//! `round_trip GANTRY_SHIM [COUNT]`; needs root and a static `/bin/busybox`.

mod container;

use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use container::{log_path, make_rootfs, start};
use shim_client::{Shim, ShimConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let binary = PathBuf::from(arguments.next().ok_or("usage: round_trip GANTRY_SHIM [COUNT]")?);
    let count = match arguments.next() {
        Some(text) => text.to_str().ok_or("not a number")?.parse()?,
        None => 50,
    };
    let root = tempfile::tempdir_in("/dev/shm")?;
    make_rootfs(&root.path().join("rootfs"))?;
    let mut phases = [const { Vec::<Duration>::new() }; 4];
    for number in 0..count {
        let begin = Instant::now();
        let (shim, mut events) = start(&binary, root.path(), number, "exit 0").await?;
        let started = Instant::now();
        events.recv().await.ok_or("the shim is lost")?;
        let exited = Instant::now();
        shim.release().await?;
        phases[0].push(started - begin);
        phases[1].push(exited - started);
        phases[2].push(exited.elapsed());
        let spawned = Instant::now();
        let dir = root.path().join(format!("spare{number}"));
        let (spare, _events) = Shim::spawn(&ShimConfig { binary: binary.clone(), dir })?;
        spare.hello().await?;
        phases[3].push(spawned.elapsed());
    }
    for (name, mut times) in
        ["start", "run and exit", "release", "spawn alone"].into_iter().zip(phases)
    {
        times.sort_unstable();
        println!("{name}: median {:?} of {count}", times[times.len() / 2]);
    }
    output(&binary, root.path(), count).await
}

async fn output(
    binary: &std::path::Path,
    root: &std::path::Path,
    number: usize,
) -> Result<(), Box<dyn Error>> {
    const BYTES: usize = 1_000_000_000;
    const REPEATS: usize = 10;
    // A program that writes as fast as pipes go: its own work must not be what is measured.
    let text = format!("{}\n", "x".repeat(99)).repeat(BYTES / REPEATS / 100);
    std::fs::write(root.join("rootfs/text"), text)?;
    let script = format!("/bin/busybox cat {}", "/text ".repeat(REPEATS));
    let begin = Instant::now();
    let (shim, mut events) = start(binary, root, number, &script).await?;
    events.recv().await.ok_or("the shim is lost")?;
    let seconds = begin.elapsed().as_secs_f64();
    let log = std::fs::metadata(log_path(root, number))?.len();
    println!(
        "output of 100 byte lines: {:.0} MB/s ({log} bytes of log)",
        BYTES as f64 / 1e6 / seconds
    );
    Ok(shim.release().await?)
}
