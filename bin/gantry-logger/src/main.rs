//! The program `gantry-logger`: see the library for what it does.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    process::ExitCode,
};

const USAGE: u8 = 2;
/// Compression gives way to everything else.
const NICENESS: i32 = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => log(),
        ["compress", path, inode] => match inode.parse() {
            Ok(inode) => compress(Path::new(path), inode),
            Err(_) => return usage(),
        },
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gantry-logger: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: gantry-logger (a supervisor's socket on standard input)");
    eprintln!("       gantry-logger compress PATH INODE");
    ExitCode::from(USAGE)
}

fn log() -> std::io::Result<()> {
    let socket: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
    gantry_logger::run::run(socket)
}

fn compress(path: &Path, inode: u64) -> std::io::Result<()> {
    rustix::process::nice(NICENESS)?;
    container_log::compress::compress(path, inode)
}
