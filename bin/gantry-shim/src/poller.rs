//! The poll set: epoll with tokens that say what a descriptor is.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    io::Errno,
};

/// Events taken from the kernel at once.
const BATCH: usize = 32;

/// What a descriptor in the poll set is. Processes are numbered by the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A child has changed state.
    ChildSignal,
    /// An engine wants to connect.
    Listener,
    /// The cgroup ran out of memory.
    OutOfMemory,
    /// A connection to an engine.
    Engine(u32),
    /// A process' standard output or its terminal.
    Stdout(u32),
    /// A process' standard error.
    Stderr(u32),
    /// A process' standard input has room.
    Stdin(u32),
    /// A client attached to a process.
    Client(u32, u16),
    /// The logger that a process' output goes to.
    Logger(u32),
}

impl Token {
    fn encode(self) -> u64 {
        let (kind, major, minor) = match self {
            Self::ChildSignal => (0, 0, 0),
            Self::Listener => (1, 0, 0),
            Self::OutOfMemory => (2, 0, 0),
            Self::Engine(number) => (3, number, 0),
            Self::Stdout(process) => (4, process, 0),
            Self::Stderr(process) => (5, process, 0),
            Self::Stdin(process) => (6, process, 0),
            Self::Client(process, client) => (7, process, client),
            Self::Logger(process) => (8, process, 0),
        };
        kind << 48 | u64::from(minor) << 32 | u64::from(major)
    }

    fn decode(data: u64) -> Self {
        let [_, kind, minor_high, minor_low, a, b, c, d] = data.to_be_bytes();
        let major = u32::from_be_bytes([a, b, c, d]);
        match kind {
            0 => Self::ChildSignal,
            1 => Self::Listener,
            2 => Self::OutOfMemory,
            3 => Self::Engine(major),
            4 => Self::Stdout(major),
            5 => Self::Stderr(major),
            6 => Self::Stdin(major),
            8 => Self::Logger(major),
            _ => Self::Client(major, u16::from_be_bytes([minor_high, minor_low])),
        }
    }
}

/// A descriptor's place in the poll set.
#[derive(Debug)]
pub struct Watch {
    token: Token,
    /// `None`: not in the set.
    interest: Option<EventFlags>,
}

impl Watch {
    /// Not in the set yet.
    #[must_use]
    pub fn new(token: Token) -> Self {
        Self { token, interest: None }
    }
}

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// To what.
    pub token: Token,
    /// What.
    pub flags: EventFlags,
}

/// An epoll descriptor.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// Makes an empty set.
    ///
    /// # Errors
    /// When no descriptors are left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Adds, changes or removes a descriptor, if that is a change.
    ///
    /// # Errors
    /// The kernel's: out of memory, or a descriptor that cannot be polled.
    pub fn set(
        &self,
        fd: impl AsFd,
        watch: &mut Watch,
        wanted: Option<EventFlags>,
    ) -> io::Result<()> {
        let data = EventData::new_u64(watch.token.encode());
        match (watch.interest, wanted) {
            (old, new) if old == new => return Ok(()),
            (None, Some(flags)) => epoll::add(&self.epoll, fd, data, flags)?,
            (Some(_), Some(flags)) => epoll::modify(&self.epoll, fd, data, flags)?,
            (_, None) => epoll::delete(&self.epoll, fd)?,
        }
        watch.interest = wanted;
        Ok(())
    }

    /// Waits for events; `None` waits for ever.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let mut space = [MaybeUninit::<Event>::uninit(); BATCH];
        let timeout = timeout.map(|t| Timespec {
            tv_sec: t.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
            Ok((events, _)) => {
                ready.extend(events.iter().map(|event| Ready {
                    token: Token::decode(event.data.u64()),
                    flags: event.flags,
                }));
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for token in [
            Token::ChildSignal,
            Token::Listener,
            Token::OutOfMemory,
            Token::Engine(u32::MAX),
            Token::Stdout(7),
            Token::Stderr(u32::MAX),
            Token::Stdin(0),
            Token::Client(u32::MAX, u16::MAX),
            Token::Client(1, 2),
            Token::Logger(3),
        ] {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
