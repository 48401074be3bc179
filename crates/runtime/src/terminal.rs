//! The container's pseudo terminal.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    fs::{FileType, OFlags},
    pty::OpenptFlags,
    termios::Winsize,
};

use crate::{error::RuntimeError, mount_options::Bind, tree, tree::Tree};

/// File system type number of devpts (linux/magic.h).
const DEVPTS_MAGIC: i64 = 0x1cd1;

/// Both ends.
#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) controller: OwnedFd,
    pub(crate) device: OwnedFd,
}

impl Terminal {
    /// Opens a new one from the container's own devpts, so that its name is right there.
    ///
    /// What is opened is checked to be a devpts multiplexer: an image could have put anything at
    /// that path. The device end comes from the controller itself, not by a path.
    pub(crate) fn open(container: &Tree, size: Option<(u16, u16)>) -> Result<Self, RuntimeError> {
        let fail = |e| RuntimeError::system("open", "/dev/pts/ptmx", e);
        let place = container.find("/dev/pts/ptmx").map_err(fail)?;
        let stat = rustix::fs::fstat(&place).map_err(fail)?;
        let kind = rustix::fs::fstatfs(&place).map_err(fail)?.f_type;
        let is_multiplexer = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && stat.st_rdev == rustix::fs::makedev(5, 2)
            && kind as i64 == DEVPTS_MAGIC;
        if !is_multiplexer {
            return Err(fail(rustix::io::Errno::NOTTY));
        }
        let controller =
            container.open_for_use("/dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY).map_err(fail)?;
        rustix::pty::unlockpt(&controller)
            .map_err(|e| RuntimeError::system("unlock", "terminal", e))?;
        let device = rustix::pty::ioctl_tiocgptpeer(
            &controller,
            OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
        )
        .map_err(|e| RuntimeError::system("open", "terminal device", e))?;
        if let Some((columns, rows)) = size.filter(|(c, r)| *c > 0 && *r > 0) {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            rustix::termios::tcsetwinsize(&controller, size)
                .map_err(|e| RuntimeError::system("set size of", "terminal", e))?;
        }
        Ok(Self { controller, device })
    }

    /// Shows the device at `/dev/console`.
    pub(crate) fn bind_console(&self, container: &Tree) -> Result<(), RuntimeError> {
        let fail = |e| RuntimeError::system("bind", "/dev/console", e);
        let target = container.make_file("/dev/console").map_err(fail)?;
        let mount = tree::clone_mount(self.device.as_fd(), Bind::One).map_err(fail)?;
        tree::attach(mount.as_fd(), target.as_fd()).map_err(fail)
    }

    /// Makes it the session's terminal and the standard streams.
    pub(crate) fn take_control(&self) -> Result<(), RuntimeError> {
        rustix::process::ioctl_tiocsctty(&self.device)
            .map_err(|e| RuntimeError::system("control", "terminal", e))?;
        crate::stdio::redirect(&self.device, &self.device, &self.device)
    }
}
