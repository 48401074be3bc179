//! The conversation between the creator and the process that is being set up.
//!
//! One `SOCK_SEQPACKET` pair; each packet is a tag byte and, for failures, JSON. The child's end
//! closes on `execve`, so end of file after [`FromChild::Ready`] means success. Only `read` and
//! `write` are used once the child is confined: no sensible seccomp policy denies those.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use crate::error::{RuntimeError, RuntimeErrorKind};

/// Upper bound of one packet; longer failure texts are cut.
const MAX_PACKET_BYTES: usize = 64 << 10;

/// What the creator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToChild {
    /// Id mappings are written and cgroups joined.
    Placed,
    /// Go on to `execve`.
    Start,
}

/// What the child says.
#[derive(Debug)]
pub(crate) enum FromChild {
    /// Set up; waits for [`ToChild::Start`] (or on the FIFO).
    Ready,
    /// The terminal's controlling end comes with this packet.
    Terminal(OwnedFd),
    /// It waits for the creator to run the `createRuntime` hooks.
    Hooks,
    /// It waits for the creator to set the clocks of its new time namespace.
    Clocks,
    /// It waits for the creator to hand over the seccomp listener that has this number.
    Listener(i32),
    /// It failed and ends.
    Failed(RuntimeError),
    /// The channel is closed: executed, or dead.
    Closed,
}

#[derive(Serialize, Deserialize)]
struct Failure {
    kind: RuntimeErrorKind,
    message: String,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends.
    pub(crate) fn pair() -> Result<(Self, Self), RuntimeError> {
        let (a, b) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|e| RuntimeError::system("make", "socket pair", e))?;
        Ok((Self(a), Self(b)))
    }

    fn write(&self, packet: &[u8]) -> Result<(), RuntimeError> {
        rustix::io::retry_on_intr(|| rustix::io::write(&self.0, packet))
            .map(drop)
            .map_err(|e| RuntimeError::system("write to", "setup channel", e))
    }

    /// Creator: tells the child to go on.
    pub(crate) fn tell(&self, message: ToChild) -> Result<(), RuntimeError> {
        self.write(match message {
            ToChild::Placed => b"p",
            ToChild::Start => b"s",
        })
    }

    /// Child: waits for `expected`. A closed channel means that the creator has given up.
    pub(crate) fn expect(&self, expected: ToChild) -> Result<(), RuntimeError> {
        let mut byte = [0u8; 1];
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut byte))
            .map_err(|e| RuntimeError::system("read from", "setup channel", e))?;
        let wanted = match expected {
            ToChild::Placed => b'p',
            ToChild::Start => b's',
        };
        if count == 1 && byte[0] == wanted { Ok(()) } else { Err(RuntimeError::InitVanished) }
    }

    /// Child: everything is set up.
    pub(crate) fn ready(&self) -> Result<(), RuntimeError> {
        self.write(b"r")
    }

    /// Child: asks for the creator's hooks.
    pub(crate) fn ask_for_hooks(&self) -> Result<(), RuntimeError> {
        self.write(b"h")
    }

    /// Child: asks for the clocks of its time namespace.
    pub(crate) fn ask_for_clocks(&self) -> Result<(), RuntimeError> {
        self.write(b"c")
    }

    /// Child: has its seccomp listener handed over; returns when that is done.
    pub(crate) fn hand_listener(&self, number: i32) -> Result<(), RuntimeError> {
        let [a, b, c, d] = number.to_ne_bytes();
        self.write(&[b'l', a, b, c, d])?;
        self.expect(ToChild::Placed)
    }

    /// Child: hands the terminal's controlling end over.
    pub(crate) fn send_terminal(&self, terminal: &OwnedFd) -> Result<(), RuntimeError> {
        let fds = [terminal.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        rustix::net::sendmsg(&self.0, &[IoSlice::new(b"t")], &mut control, SendFlags::empty())
            .map(drop)
            .map_err(|e| RuntimeError::system("send", "terminal", e))
    }

    /// Child: reports `error`. There is nobody to tell if that fails too.
    pub(crate) fn fail(&self, error: &RuntimeError) {
        let failure = Failure { kind: error.runtime_kind(), message: error.message() };
        let packet = encode_failure(&failure);
        drop(self.write(&packet));
    }

    /// Creator: whether there is a packet, or never will be one any more.
    pub(crate) fn is_readable(&self) -> bool {
        let mut places = [PollFd::new(&self.0, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(rustix::event::poll(&mut places, Some(&now)), Ok(count) if count > 0)
    }

    /// Creator: the next packet.
    pub(crate) fn receive(&self) -> Result<FromChild, RuntimeError> {
        let mut buffer = vec![0u8; MAX_PACKET_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let count = loop {
            let received = rustix::net::recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut buffer)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            );
            match received {
                Ok(message) => break message.bytes,
                // The child hung up with a packet of ours unread. This is told once, before what
                // it said; the next call returns its words, or the end.
                Err(rustix::io::Errno::CONNRESET | rustix::io::Errno::INTR) => {}
                Err(e) => return Err(RuntimeError::system("read from", "setup channel", e)),
            }
        };
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        Ok(match (buffer[..count].split_first(), fd) {
            (None, _) => FromChild::Closed,
            (Some((b'r', _)), _) => FromChild::Ready,
            (Some((b'h', _)), _) => FromChild::Hooks,
            (Some((b'c', _)), _) => FromChild::Clocks,
            (Some((b'l', &[a, b, c, d])), _) => {
                FromChild::Listener(i32::from_ne_bytes([a, b, c, d]))
            }
            (Some((b't', _)), Some(fd)) => FromChild::Terminal(fd),
            (Some((b'e', json)), _) => FromChild::Failed(decode_failure(json)),
            _ => return Err(RuntimeError::InitVanished),
        })
    }
}

fn encode_failure(failure: &Failure) -> Vec<u8> {
    let mut packet = b"e".to_vec();
    let mut message = failure.message.clone();
    let mut end = message.len().min(MAX_PACKET_BYTES / 8);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    let short = Failure { kind: failure.kind, message };
    // Strings and a fieldless enum always serialise; an empty text still says "failed".
    packet.extend(serde_json::to_vec(&short).unwrap_or_default());
    packet
}

/// Reads a failure as it crosses a channel or the exec FIFO.
pub(crate) fn decode_failure(json: &[u8]) -> RuntimeError {
    match serde_json::from_slice::<Failure>(json) {
        Ok(Failure { kind, message }) => RuntimeError::Init { kind, message },
        Err(_) => RuntimeError::InitVanished,
    }
}

/// The bytes of a failure for the exec FIFO.
pub(crate) fn failure_bytes(error: &RuntimeError) -> Vec<u8> {
    encode_failure(&Failure { kind: error.runtime_kind(), message: error.message() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_heard_although_a_packet_was_left_unread() {
        let (creator, child) = Channel::pair().unwrap();
        creator.tell(ToChild::Placed).unwrap();
        child.fail(&RuntimeError::Breakout);
        drop(child);
        assert!(creator.is_readable());
        assert!(matches!(creator.receive(), Ok(FromChild::Failed(_))));
        assert!(matches!(creator.receive(), Ok(FromChild::Closed)));
    }
}
