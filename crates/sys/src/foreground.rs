//! Starting a child as the terminal's foreground job.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
};

/// Starts `command` in a process group of its own, which becomes the foreground group of the
/// terminal on standard input if there is one, with default signal actions and nothing blocked.
///
/// # Errors
/// As [`Command::spawn`].
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    // SAFETY: between fork and exec the closure makes system calls only; it neither allocates
    // nor takes locks.
    unsafe { command.process_group(0).pre_exec(take_terminal) }.spawn()
}

/// In the child, before its program can read: a background reader would be stopped.
fn take_terminal() -> io::Result<()> {
    crate::process::reset_signals();
    // SAFETY: plain integers; SIGTTOU, which a background group gets for this, is ignored
    // meanwhile.
    let result = unsafe {
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        let result = libc::tcsetpgrp(libc::STDIN_FILENO, libc::getpid());
        let error = io::Error::last_os_error();
        libc::signal(libc::SIGTTOU, libc::SIG_DFL);
        if result == 0 { Ok(()) } else { Err(error) }
    };
    match result {
        // No terminal, or not ours to control.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::ENOTTY | libc::ENXIO | libc::EBADF | libc::EPERM)
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}
