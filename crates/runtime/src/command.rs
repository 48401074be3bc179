//! Finds the program to execute, inside the container, as its user.

use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path};

use rustix::fs::{Access, AtFlags, CWD, FileType};

use crate::error::{Errno, RuntimeError};

/// Used when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Resolves `command` as a shell would: a name with a slash as a path, others by `PATH`.
///
/// # Errors
/// [`RuntimeError::NotInPath`], [`RuntimeError::CommandMissing`],
/// [`RuntimeError::NotExecutable`].
pub(crate) fn find(command: &str, environment: &[String]) -> Result<CString, RuntimeError> {
    if command.contains('/') {
        return find_by_path(command);
    }
    let path = environment
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("PATH="))
        .unwrap_or(DEFAULT_PATH);
    let mut denied = None;
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        let candidate = Path::new(directory).join(command);
        match check(&candidate) {
            Ok(()) if !command.is_empty() => return to_c(candidate.as_os_str().as_bytes()),
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => denied = Some(error),
            Err(_) => {}
        }
    }
    match denied {
        Some(source) => {
            Err(RuntimeError::NotExecutable { command: command.into(), source: Errno(source) })
        }
        None => Err(RuntimeError::NotInPath { command: command.into() }),
    }
}

fn find_by_path(command: &str) -> Result<CString, RuntimeError> {
    match check(Path::new(command)) {
        Ok(()) => to_c(command.as_bytes()),
        Err(error) => {
            let source = Errno(error);
            let command = command.to_owned();
            Err(match source.raw() {
                Some(libc::EACCES | libc::EPERM | libc::EISDIR) => {
                    RuntimeError::NotExecutable { command, source }
                }
                _ => RuntimeError::CommandMissing { command, source },
            })
        }
    }
}

/// Whether the path is something to execute: not a directory, and executable for this user.
fn check(path: &Path) -> io::Result<()> {
    let stat = rustix::fs::stat(path)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    // The effective ids count: those are what execve checks.
    match rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(()),
        // A kernel or a policy without faccessat2: any execute bit is taken for a yes, execve
        // will tell.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) if stat.st_mode & 0o111 != 0 => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn to_c(bytes: &[u8]) -> Result<CString, RuntimeError> {
    CString::new(bytes).map_err(|_| {
        RuntimeError::field("process.args", String::from_utf8_lossy(bytes), "contains a NUL byte")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RuntimeErrorKind;

    #[test]
    fn finds_by_path_variable_and_by_path() {
        let env = vec!["PATH=/nowhere:/bin".to_owned()];
        assert_eq!(find("busybox", &env).unwrap().to_str().unwrap(), "/bin/busybox");
        assert_eq!(find("/bin/busybox", &[]).unwrap().to_str().unwrap(), "/bin/busybox");
    }

    #[test]
    fn says_why_not() {
        let kind = |c: &str| find(c, &[]).unwrap_err().runtime_kind();
        assert_eq!(kind("no-such-command"), RuntimeErrorKind::CommandNotFound);
        assert_eq!(kind("/no/such"), RuntimeErrorKind::CommandNotFound);
        assert_eq!(kind("/etc"), RuntimeErrorKind::CommandNotExecutable);
        assert_eq!(kind("/etc/passwd"), RuntimeErrorKind::CommandNotExecutable);
        assert_eq!(find("/etc", &[]).unwrap_err().message(), "exec: \"/etc\": is a directory");
    }
}
