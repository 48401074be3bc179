//! Running a program to its end, with a deadline.

use std::{
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// A command that takes longer is stuck.
const DEADLINE: Duration = Duration::from_secs(300);

/// Runs a program; its standard output is the answer, trimmed.
///
/// # Errors
/// It cannot be started, fails (its standard error is in the message), or passes the deadline.
pub fn run(command: &mut Command) -> Result<String> {
    timed(command).map(|(_, text)| text)
}

/// [`run`], with the time from before fork to after wait.
///
/// # Errors
/// As [`run`].
pub fn timed(command: &mut Command) -> Result<(Duration, String)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().with_context(|| format!("start {command:?}"))?;
    let pid = child.id();
    let (ended, watch) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || watch_over(pid, &watch));
    let output = child.wait_with_output();
    let elapsed = began.elapsed();
    drop(ended);
    let is_late = watchdog.join().unwrap_or(false);
    if is_late {
        bail!("{command:?} did not end within {DEADLINE:?}");
    }
    check(command, &output.with_context(|| format!("wait for {command:?}"))?)
        .map(|text| (elapsed, text))
}

fn watch_over(pid: u32, watch: &mpsc::Receiver<()>) -> bool {
    let is_late = watch.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout);
    if is_late {
        signal(pid, "KILL");
    }
    is_late
}

fn check(command: &Command, output: &Output) -> Result<String> {
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}: {}", output.status, errors.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Sends a signal; a process that is gone needs none.
pub fn signal(pid: u32, name: &str) {
    signal_all(&[pid], name);
}

/// Sends a signal to many.
pub fn signal_all(pids: &[u32], name: &str) {
    if pids.is_empty() {
        return;
    }
    let _ = Command::new("kill")
        .args(["-s", name])
        .args(pids.iter().map(u32::to_string))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Waits until something holds.
///
/// # Errors
/// It does not within `limit`.
pub fn wait_for(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds() {
        if Instant::now() > deadline {
            bail!("{what}: not within {limit:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether a program is on the path.
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}
