//! Measures the json-file writer alone: 100-byte lines in reads of 64 KiB, to a file in the
//! directory that is given (a memory file system shows the code, a disk shows the disk).

use std::{collections::BTreeMap, error::Error, path::PathBuf, time::Instant};

use gantry_shim::{
    log::Log,
    poller::{Poller, Token},
    stream::StreamKind,
};
use shim_protocol::LogTarget;

const TOTAL_BYTES: usize = 1 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let path = dir.join(format!("log-throughput-{}", std::process::id()));
    let target = LogTarget::JsonFile(shim_protocol::LogFile {
        path: path.clone(),
        max_size_bytes: Some(100 << 20),
        max_files: 1,
        attrs: BTreeMap::new(),
        compressor: None,
    });
    let poller = Poller::new()?;
    let mut log = Log::open(target, Token::Logger(0), &poller)?.ok_or("a file was asked for")?;
    let text = "2026-11-23 INFO request handled path=/v1/items status=200 duration=12ms id=0123456789abcdef0123456\n";
    let chunk: Vec<u8> = text.bytes().cycle().take(64 << 10).collect();
    let mut buffer = Vec::new();
    let start = Instant::now();
    let mut written = 0;
    while written < TOTAL_BYTES {
        log.write(StreamKind::Stdout, &chunk, &mut buffer, &poller)?;
        written += chunk.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    println!("{} byte lines: {:.0} MB/s", text.len(), written as f64 / 1e6 / seconds);
    Ok(())
}
