//! Measures a pull and a push: `pull_speed HOST:PORT [LAYERS] [MEGABYTES_PER_LAYER]` against a
//! registry that listens there. Prints megabytes of compressed layers per second, and the
//! highest resident memory of the process.

use std::{io::Cursor, path::Path, sync::Arc, time::Instant};

use anyhow::Context as _;
use gantry_image::{
    CommitRequest, Images, ImagesConfig, NoContainers, PullRequest, PushRequest, RemoveRequest,
    Stores,
};
use types::Reference;

fn open(dir: &Path) -> anyhow::Result<Images> {
    std::fs::create_dir_all(dir)?;
    let stores = Stores {
        database: metadata::Database::open(&dir.join("engine.db"))?,
        content: Arc::new(content::Store::open(dir.join("content"))?),
        snapshotter: Arc::new(snapshot::OverlaySnapshotter::open(dir.join("snapshot"))?),
    };
    let client = distribution::Client::new(distribution::ClientConfig::default());
    Ok(Images::open(stores, client, ImagesConfig::default())?)
}

/// Files of 64 KiB, half of it noise, half of it words: about as compressible as programs are.
fn layer(seed: u64, megabytes: u64) -> anyhow::Result<Vec<u8>> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut builder = tar::Builder::new(Vec::new());
    for file in 0..megabytes * 16 {
        let mut bytes = Vec::with_capacity(64 * 1024);
        while bytes.len() < 32 * 1024 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        while bytes.len() < 64 * 1024 {
            bytes.extend_from_slice(format!("line {file} of {seed}\n").as_bytes());
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("l{seed}/d{}/f{file}", file % 50), &*bytes)?;
    }
    Ok(builder.into_inner()?)
}

fn peak_megabytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse::<u64>()? / 1024)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let host = arguments.next().context("which registry?")?;
    let layers: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let megabytes: u64 = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let reference: Reference = format!("{host}/speed:1").parse()?;
    let dir = tempfile::tempdir_in(".")?;
    if std::env::var_os("PULL_ONLY").is_none() {
        let images = open(&dir.path().join("from"))?;
        let mut parent = None;
        for at in 0..layers {
            let request = CommitRequest {
                parent: parent.take(),
                reference: (at + 1 == layers).then(|| reference.clone()),
                ..CommitRequest::default()
            };
            let tar = layer(at + 1, megabytes)?;
            parent = Some(images.commit(request, Cursor::new(tar)).await?.id);
        }
        let total = images.disk_usage()?.blobs_bytes as f64 / 1e6;
        let start = Instant::now();
        let request =
            PushRequest { reference: reference.clone(), credentials: None, is_all_tags: false };
        images.push(request, None).await?;
        let seconds = start.elapsed().as_secs_f64();
        println!("push {total:.0} MB in {seconds:.2} s: {:.0} MB/s", total / seconds);
        println!("making and pushing: peak {} MB resident", peak_megabytes()?);
        return Ok(());
    }
    let images = open(&dir.path().join("to"))?;
    for round in 1..=3 {
        let start = Instant::now();
        images.pull(PullRequest::new(reference.clone()), None).await?;
        let seconds = start.elapsed().as_secs_f64();
        let usage = images.disk_usage()?;
        let (wire, disk) = (usage.blobs_bytes as f64 / 1e6, usage.layers_bytes as f64 / 1e6);
        println!(
            "pull {round}: {wire:.0} MB ({disk:.0} unpacked) in {seconds:.2} s: {:.0} MB/s, {:.0} unpacked",
            wire / seconds,
            disk / seconds
        );
        let removal = RemoveRequest { name: reference.to_string(), ..Default::default() };
        images.remove(removal, Arc::new(NoContainers)).await?;
    }
    println!("pulling: peak {} MB resident", peak_megabytes()?);
    Ok(())
}
