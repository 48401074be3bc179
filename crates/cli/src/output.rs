//! Standard output and error: written at once, and a reader that went away ends the program quietly.

use std::{
    io::{self, IsTerminal, Write},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

/// Nobody reads standard output any more.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct OutputClosed;

fn checked(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result.map_err(Into::into),
    }
}

/// Prints `text` as it is.
///
/// # Errors
/// [`OutputClosed`], or what the system says.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    checked(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Prints `text` and a line break.
///
/// # Errors
/// As [`print`].
pub fn line(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints `text` and a line break to standard error; there is nowhere to tell that it failed.
pub fn error_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether standard output is a terminal.
#[must_use]
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes without a thread in between: a command has nothing better to do than to write.
pub struct Direct<W>(pub W);

impl<W: Write + Unpin> AsyncWrite for Direct<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
