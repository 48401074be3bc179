//! Measures how fast a gzipped layer is decompressed, hashed and applied, and what each step
//! takes alone. Usage: `unpack_speed DIR [MEGABYTES]`; DIR should be on the disk in question.

#![allow(clippy::unwrap_used, reason = "a measurement may end in a panic")]

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::Path,
    time::{Duration, Instant},
};

use content::Hasher;
use flate2::{Compression, write::GzEncoder};
use gantry_snapshot::{
    Limits, OverlaySnapshotter, Snapshotter, decompress,
    tar::{Entry, Kind, Timestamp, Writer},
};
use types::digest::Algorithm;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "/tmp".to_owned());
    let megabytes: u64 = args.next().map_or(500, |text| text.parse().unwrap());
    let dir = tempfile::tempdir_in(dir).unwrap();
    let (tar, gz) = (dir.path().join("layer.tar"), dir.path().join("layer.tar.gz"));
    make_layer(&tar, megabytes << 20);
    let mut encoder = GzEncoder::new(File::create(&gz).unwrap(), Compression::default());
    io::copy(&mut File::open(&tar).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap().sync_all().unwrap();
    let bytes = fs::metadata(&tar).unwrap().len();
    println!("{} MB, {} MB compressed", bytes >> 20, fs::metadata(&gz).unwrap().len() >> 20);
    for round in 1..=3 {
        println!("round {round}");
        report("gunzip alone", bytes, || drain(decompress(File::open(&gz).unwrap()).unwrap()));
        report("sha256 alone", bytes, || {
            Hasher::new(Algorithm::Sha256).update_from(&mut File::open(&tar).unwrap()).unwrap();
        });
        unpack(dir.path(), "hash + apply, uncompressed", bytes, &mut open(&tar));
        let mut source = decompress(File::open(&gz).unwrap()).unwrap();
        unpack(dir.path(), "gunzip + hash + apply", bytes, &mut source);
    }
    println!("peak memory: {} kB", peak_memory());
}

fn open(path: &Path) -> BufReader<File> {
    BufReader::with_capacity(1 << 20, File::open(path).unwrap())
}

fn unpack(dir: &Path, what: &str, bytes: u64, source: &mut (dyn Read + Send)) {
    let store = OverlaySnapshotter::open(dir.join("store")).unwrap();
    let mut layer = None;
    report(what, bytes, || {
        layer = Some(store.unpack(None, source, &Limits::default()).unwrap().diff_id);
    });
    let layer = layer.unwrap();
    report("  then sync", bytes, || store.sync(std::slice::from_ref(&layer)).unwrap());
    store.remove_layer(&layer).unwrap();
}

fn report(what: &str, bytes: u64, work: impl FnOnce()) {
    let start = Instant::now();
    let cpu = cpu_time();
    work();
    let (elapsed, cpu) = (start.elapsed(), cpu_time() - cpu);
    let speed = bytes as f64 / 1e6 / elapsed.as_secs_f64();
    println!("  {what:28} {speed:7.0} MB/s  wall {elapsed:8.2?}  cpu {cpu:8.2?}");
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").to_owned()
}

fn drain(mut source: impl Read) {
    let mut buffer = vec![0; 256 * 1024];
    while source.read(&mut buffer).unwrap() > 0 {}
}

/// A layer like that of a distribution: files from this machine's own `/usr`, repeated.
fn make_layer(path: &Path, bytes: u64) {
    let mut files = Vec::new();
    collect(Path::new("/usr"), bytes, &mut files);
    println!("{} different files", files.len());
    let mut writer = Writer::new(io::BufWriter::new(File::create(path).unwrap()));
    let (mut written, mut round) = (0, 0);
    while written < bytes && !files.is_empty() {
        for (index, (file, size)) in files.iter().enumerate() {
            if written >= bytes {
                break;
            }
            let path = format!("round-{round}/dir-{}/file-{index}", index / 50).into_bytes();
            let entry = Entry {
                path,
                link: Vec::new(),
                kind: Kind::File,
                mode: 0o644,
                uid: 0,
                gid: 0,
                mtime: Timestamp { seconds: 1_600_000_000, nanoseconds: 0 },
                size: *size,
                sparse: None,
                xattrs: Vec::new(),
            };
            writer.append(&entry, &mut File::open(file).unwrap()).unwrap();
            written += size;
        }
        round += 1;
    }
    writer.finish().unwrap().flush().unwrap();
}

fn collect(dir: &Path, mut left: u64, files: &mut Vec<(std::path::PathBuf, u64)>) -> u64 {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if left == 0 {
            break;
        }
        if metadata.is_dir() {
            left = collect(&entry.path(), left, files);
        } else if metadata.is_file() {
            files.push((entry.path(), metadata.len()));
            left = left.saturating_sub(metadata.len());
        }
    }
    left
}
