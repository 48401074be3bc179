//! Descriptors above the standard streams that a process gets.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, bail};
use oci::runtime::Process;

/// The first one after the standard streams.
const FIRST: u32 = 3;

/// How many the process inherits: those of `$LISTEN_FDS` (sd_listen_fds(3); the process is told of
/// them), then `preserved` more. Each must be open.
pub fn inherited(preserved: u32, process: &mut Process) -> anyhow::Result<u32> {
    let listening = listening();
    if listening > 0 {
        process.env.push(format!("LISTEN_FDS={listening}"));
        process.env.push("LISTEN_PID=1".to_owned());
    }
    let count = listening.checked_add(preserved).context("too many descriptors to preserve")?;
    for number in FIRST..FIRST.saturating_add(count) {
        let raw = i32::try_from(number).context("too many descriptors to preserve")?;
        if !sys::descriptor::is_inheritable(raw) {
            bail!("cannot preserve descriptor {number}: it is not open");
        }
    }
    Ok(count)
}

/// Sockets that were handed over to this very process.
fn listening() -> u32 {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(pid), Some(count)) if pid == std::process::id() => count,
        _ => 0,
    }
}

/// Sends a descriptor to whoever listens at a socket, in runc's form: one message with a name.
pub fn send(path: &std::path::Path, name: &str, descriptor: BorrowedFd<'_>) -> anyhow::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
    let socket = std::os::unix::net::UnixStream::connect(path)
        .with_context(|| format!("connect to console socket {}", path.display()))?;
    let descriptors = [descriptor.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let text = [std::io::IoSlice::new(name.as_bytes())];
    rustix::net::sendmsg(&socket, &text, &mut control, SendFlags::NOSIGNAL)
        .context("send terminal")?;
    Ok(())
}
