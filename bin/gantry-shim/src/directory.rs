//! The shim's directory, held open: it may be renamed while the shim runs.

use std::{
    fs::File,
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixListener,
    },
    path::Path,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, open, openat, renameat, unlinkat},
    io::Errno,
};
use shim_protocol::ExitRecord;

use crate::complaints;

const SOCKET: &str = "shim.sock";
const PID: &str = "shim.pid";
const EXIT: &str = "exit.json";
const EXIT_UNFINISHED: &str = "exit.json.new";

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
}

impl Directory {
    /// Opens it.
    ///
    /// # Errors
    /// When it is not there or not a directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { handle: open(path, flags, Mode::empty())? })
    }

    /// Takes it as it was inherited.
    #[must_use]
    pub fn from_handle(handle: OwnedFd) -> Self {
        Self { handle }
    }

    /// Another handle to it.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub fn try_clone_handle(&self) -> io::Result<OwnedFd> {
        self.handle.try_clone()
    }

    /// Binds the listening socket, for the owner only.
    ///
    /// The address goes by the descriptor: a socket address holds 107 bytes only.
    ///
    /// # Errors
    /// `bind`'s.
    pub fn listen(&self) -> io::Result<UnixListener> {
        self.remove(SOCKET)?;
        let previous = rustix::process::umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(self.link().join(SOCKET));
        rustix::process::umask(previous);
        let listener = listener?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    fn link(&self) -> std::path::PathBuf {
        format!("/proc/self/fd/{}", self.handle.as_raw_fd()).into()
    }

    /// Writes who we are: pid and start time.
    ///
    /// # Errors
    /// Those of reading `/proc` and writing the file.
    pub fn write_pid(&self) -> io::Result<()> {
        let pid = std::process::id();
        self.write(PID, format!("{pid} {}\n", own_start_time()?).as_bytes())
    }

    /// Writes how the container ended: whole or not at all.
    ///
    /// # Errors
    /// Those of writing and renaming.
    pub fn write_exit(&self, record: &ExitRecord) -> io::Result<()> {
        self.write(EXIT_UNFINISHED, &serde_json::to_vec(record)?)?;
        Ok(renameat(&self.handle, EXIT_UNFINISHED, &self.handle, EXIT)?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let file = openat(&self.handle, name, flags, Mode::from_raw_mode(0o600))?;
        File::from(file).write_all(bytes)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes every file of the shim's, and the directory if nothing else is in it.
    ///
    /// # Errors
    /// The first failure; every step is tried.
    pub fn clean_up(&self) -> io::Result<()> {
        let mut result = Ok(());
        for name in [SOCKET, PID, EXIT, EXIT_UNFINISHED, complaints::FILE_NAME] {
            result = result.and(self.remove(name));
        }
        let path = std::fs::read_link(self.link())?;
        match rustix::fs::rmdir(&path) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT | Errno::BUSY) => result,
            Err(errno) => result.and(Err(errno.into())),
        }
    }
}

/// Field 22 of `/proc/self/stat`, counted from behind the command's closing parenthesis.
fn own_start_time() -> io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let start = stat
        .rfind(')')
        .and_then(|end| stat[end + 1..].split_ascii_whitespace().nth(19))
        .and_then(|field| field.parse().ok());
    start.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "malformed /proc/self/stat"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_private_follow_a_rename_and_go_with_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let (old, new) = (parent.path().join("spare"), parent.path().join("x".repeat(120)));
        std::fs::create_dir(&old).unwrap();
        let directory = Directory::open(&old).unwrap();
        let _listener = directory.listen().unwrap();
        directory.write_pid().unwrap();
        std::fs::rename(&old, &new).unwrap();
        let record = ExitRecord {
            exit_code: 3,
            oom_killed: false,
            started_at_nanos: 1,
            finished_at_nanos: 2,
        };
        directory.write_exit(&record).unwrap();
        let text = std::fs::read_to_string(new.join(EXIT)).unwrap();
        assert_eq!(serde_json::from_str::<ExitRecord>(&text).unwrap(), record);
        let mode = std::fs::metadata(new.join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(new.join(PID)).unwrap();
        assert!(text.starts_with(&format!("{} ", std::process::id())));
        directory.clean_up().unwrap();
        assert!(!new.exists());
    }
}
