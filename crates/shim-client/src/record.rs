//! What a shim leaves in its directory: who it is, and how its container ended.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use shim_protocol::ExitRecord;

use crate::ShimError;

/// Reads `exit.json`; `None` when the container has not ended under a shim's eyes.
///
/// # Errors
/// [`ShimError::Directory`] when the file cannot be read, [`ShimError::Record`] when it is damaged.
pub fn read_exit_record(dir: &Path) -> Result<Option<ExitRecord>, ShimError> {
    let Some(text) = read(dir, "exit.json")? else { return Ok(None) };
    let record = serde_json::from_str(&text).map_err(|_| malformed(dir, "exit.json"))?;
    Ok(Some(record))
}

fn read(dir: &Path, file: &'static str) -> Result<Option<String>, ShimError> {
    match fs::read_to_string(dir.join(file)) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ShimError::Directory { dir: dir.to_owned(), source }),
    }
}

fn malformed(dir: &Path, file: &'static str) -> ShimError {
    ShimError::Record { dir: dir.to_owned(), file }
}

/// A shim's process, held by a pidfd and verified by its start time.
#[derive(Debug)]
pub struct ShimProcess {
    dir: PathBuf,
    pid: i32,
    pidfd: OwnedFd,
}

impl ShimProcess {
    /// Finds the live process that `shim.pid` names; `None` when it has ended or the number
    /// belongs to another process now.
    ///
    /// # Errors
    /// [`ShimError::Directory`] and [`ShimError::Record`].
    pub fn find(dir: &Path) -> Result<Option<Self>, ShimError> {
        let Some(text) = read(dir, "shim.pid")? else { return Ok(None) };
        let (pid, start_time) = parse(&text).ok_or_else(|| malformed(dir, "shim.pid"))?;
        let Some(handle) = Pid::from_raw(pid) else { return Err(malformed(dir, "shim.pid")) };
        // Opened before the start time is compared: what is compared is then what is held.
        let Ok(pidfd) = pidfd_open(handle, PidfdFlags::empty()) else { return Ok(None) };
        let is_same = start_time_of(pid).is_some_and(|found| found == start_time);
        Ok(is_same.then(|| Self { dir: dir.to_owned(), pid, pidfd }))
    }

    /// The process' number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Ends the shim at once, and with it its container's init: for shims that do not answer.
    ///
    /// # Errors
    /// [`ShimError::Directory`] when the signal cannot be sent; a process that has ended is none.
    pub fn kill(&self) -> Result<(), ShimError> {
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(ShimError::Directory { dir: self.dir.clone(), source: e.into() }),
        }
    }
}

/// `PID START_TIME\n`
fn parse(text: &str) -> Option<(i32, u64)> {
    let (pid, start_time) = text.trim_end().split_once(' ')?;
    Some((pid.parse().ok()?, start_time.parse().ok()?))
}

/// Field 22 of `/proc/PID/stat`, counted from behind the command's closing parenthesis: the
/// command may hold blanks and parentheses itself. A zombie counts as ended.
fn start_time_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    if is_dead { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_pid_is_not_taken_for_the_shim() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ShimProcess::find(dir.path()).unwrap().is_none(), "no file");
        let own = i32::try_from(std::process::id()).unwrap();
        let start = start_time_of(own).unwrap();
        let file = dir.path().join("shim.pid");
        fs::write(&file, format!("{own} {start}\n")).unwrap();
        assert_eq!(ShimProcess::find(dir.path()).unwrap().unwrap().pid(), own);
        fs::write(&file, format!("{own} {}\n", start + 1)).unwrap();
        assert!(ShimProcess::find(dir.path()).unwrap().is_none(), "another start time");
        fs::write(&file, "x").unwrap();
        assert!(matches!(ShimProcess::find(dir.path()), Err(ShimError::Record { .. })));
    }

    #[test]
    fn the_exit_record_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_exit_record(dir.path()).unwrap().is_none());
        let record = ExitRecord {
            exit_code: 137,
            oom_killed: true,
            started_at_nanos: 1,
            finished_at_nanos: 2,
        };
        let file = dir.path().join("exit.json");
        fs::write(&file, serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(read_exit_record(dir.path()).unwrap(), Some(record));
        fs::write(&file, "{").unwrap();
        assert!(matches!(read_exit_record(dir.path()), Err(ShimError::Record { .. })));
    }
}
