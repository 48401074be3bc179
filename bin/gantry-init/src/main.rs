//! `gantry-init -- COMMAND [ARG...]`: the first process of a container that was asked for with
//! `--init`.
//!
//! A program that is not written for it makes a bad pid 1: signals without a handler do not reach
//! it, and orphans stay zombies. This one runs the command as its child, in a process group of its
//! own that gets the terminal, passes every signal on to it, collects whatever is orphaned, and
//! ends with the command's exit code (128 and the signal's number if it was killed).
//!
//! It is linked statically, because it runs inside whatever root the container has.

use std::{
    ffi::OsString,
    io,
    process::{Command, ExitCode},
};

use rustix::{
    io::Errno,
    process::{WaitOptions, WaitStatus, wait},
};

/// Exit codes of shells: not executable, not found.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
const SIGNAL_BASE: i32 = 128;
const SIGCHLD: i32 = 17;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    words.next_if(|word| word == "--");
    let Some(program) = words.next() else {
        eprintln!("usage: gantry-init -- COMMAND [ARG...]");
        return ExitCode::from(NOT_FOUND);
    };
    match run(&program, words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("gantry-init: {}: {error}", program.to_string_lossy());
            ExitCode::from(match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_EXECUTABLE,
            })
        }
    }
}

fn run(program: &OsString, arguments: impl Iterator<Item = OsString>) -> io::Result<u8> {
    // Before there is a child: no signal to it is lost.
    let signals = sys::signal::Blocked::all()?;
    let child = sys::foreground::spawn(Command::new(program).args(arguments))?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    loop {
        match signals.wait()? {
            SIGCHLD => {
                if let Some(code) = reap(pid)? {
                    return Ok(code);
                }
            }
            signal => pass_on(pid, signal)?,
        }
    }
}

fn pass_on(pid: i32, signal: i32) -> io::Result<()> {
    match sys::signal::send(pid, signal) {
        // It has ended; SIGCHLD tells next.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => Ok(()),
        result => result,
    }
}

/// Collects everything that has ended; the command's exit code if it is among it.
fn reap(command: i32) -> io::Result<Option<u8>> {
    let mut code = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == command => {
                code = Some(exit_code(status));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(code),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn exit_code(status: WaitStatus) -> u8 {
    let code = match status.terminating_signal() {
        Some(signal) => SIGNAL_BASE + signal,
        None => status.exit_status().unwrap_or_default(),
    };
    // Both parts are below 128 and 256; the kernel keeps eight bits in any case.
    (code & 0xff) as u8
}
