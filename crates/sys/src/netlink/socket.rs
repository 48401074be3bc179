//! Sending messages and understanding the answers.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto,
        socket_with, sockopt,
    },
};

use super::{
    attribute::find,
    message::{HEADER_BYTES, Message, flag},
};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;
/// What the kernel puts into one datagram is at most 32 KiB for dumps, and a page for the rest.
const RECEIVE_BYTES: usize = 64 * 1024;
/// Room for a ruleset with thousands of elements, and for as many acknowledgements.
const BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// A dump that is interrupted this often is reported: the table changes faster than it is read.
const DUMP_ATTEMPTS: usize = 10;

/// Which kernel subsystem a socket talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, neighbours.
    Route,
    /// nftables and connection tracking.
    Netfilter,
}

/// Why a netlink request failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel refused a message.
    #[error("the kernel refused message {index}{}", .text.as_deref().map(|t| format!(" ({t})")).unwrap_or_default())]
    Refused {
        /// Which of the messages sent, from 0; for a batch that failed as a whole, 0.
        index: usize,
        /// The kernel's own words, where it has any.
        text: Option<String>,
        /// The error number.
        source: Errno,
    },
    /// The socket failed.
    #[error("netlink {operation} failed")]
    Socket {
        /// Which system call.
        operation: &'static str,
        /// Why.
        source: Errno,
    },
    /// An answer was cut short or does not have the form the protocol prescribes.
    #[error("malformed netlink answer")]
    Malformed,
    /// The objects changed during each attempt to list them.
    #[error("netlink dump was interrupted {DUMP_ATTEMPTS} times")]
    Interrupted,
}

impl NetlinkError {
    /// Returns the error number, if the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { source, .. } | Self::Socket { source, .. } => Some(*source),
            Self::Malformed | Self::Interrupted => None,
        }
    }
}

/// One object in an answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The message type.
    pub kind: u16,
    /// The family's fixed header and the attributes.
    pub body: Vec<u8>,
}

/// A netlink socket, bound to the namespace of the thread that opened it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`NetlinkError::Socket`].
    pub fn open(protocol: Protocol) -> Result<Self, NetlinkError> {
        let number = match protocol {
            Protocol::Route => None, // NETLINK_ROUTE is protocol 0
            Protocol::Netfilter => Some(netlink::NETFILTER),
        };
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, number)
            .map_err(|source| NetlinkError::Socket { operation: "socket", source })?;
        // Best effort: without CAP_NET_ADMIN over the initial user namespace the defaults stay,
        // and a batch too large for them fails with its own error.
        let _ = sockopt::set_socket_send_buffer_size_force(&fd, BUFFER_BYTES);
        let _ = sockopt::set_socket_recv_buffer_size_force(&fd, BUFFER_BYTES);
        // Texts beside error numbers and short acknowledgements: kernels without them still work.
        let _ = set_option(&fd, libc::NETLINK_EXT_ACK);
        let _ = set_option(&fd, libc::NETLINK_CAP_ACK);
        Ok(Self { fd, sequence: 0, buffer: Vec::with_capacity(RECEIVE_BYTES) })
    }

    /// Sends `messages` in one datagram and waits for all acknowledgements.
    ///
    /// The kernel goes through them in turn; whether a failure undoes the others is up to the
    /// subsystem (nftables batches: yes; rtnetlink: no, and later messages still run).
    ///
    /// # Errors
    /// The first failure, with the index of its message.
    pub fn transact(&mut self, mut messages: Vec<Message>) -> Result<(), NetlinkError> {
        let first = self.send(&mut messages)?;
        let mut pending = messages.iter().filter(|message| message.wants_ack()).count();
        let mut failure = None;
        while pending > 0 {
            let mut failed_batch = false;
            self.receive(|header, body| {
                if header.kind != NLMSG_ERROR {
                    return Ok(());
                }
                let index = header.sequence.wrapping_sub(first) as usize;
                let Some(message) = messages.get(index) else { return Ok(()) };
                // An error about a message that wants no answer (the frame of a batch) is the
                // only answer there will be.
                failed_batch |= !message.wants_ack();
                pending = pending.saturating_sub(1);
                if let Err(error) = acknowledgement(&header, body, index) {
                    failure.get_or_insert(error);
                }
                Ok(())
            })?;
            if failed_batch {
                break;
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Sends one request and returns the object that answers it.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`], with `NODEV`/`NOENT` when there is none.
    pub fn request(&mut self, mut message: Message) -> Result<Reply, NetlinkError> {
        message.add_flags(flag::ACK);
        let sequence = self.send(std::slice::from_mut(&mut message))?;
        let mut reply = None;
        let mut is_done = false;
        while !is_done {
            self.receive(|header, body| {
                if header.sequence != sequence {
                    return Ok(());
                }
                if header.kind == NLMSG_ERROR {
                    is_done = true;
                    return acknowledgement(&header, body, 0);
                }
                reply = Some(Reply { kind: header.kind, body: body.to_vec() });
                Ok(())
            })?;
        }
        reply.ok_or(NetlinkError::Malformed)
    }

    /// Asks for all objects that `message` describes.
    ///
    /// # Errors
    /// [`NetlinkError::Refused`]; [`NetlinkError::Interrupted`] after several attempts.
    pub fn dump(&mut self, mut message: Message) -> Result<Vec<Reply>, NetlinkError> {
        message.add_flags(flag::DUMP);
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(replies) = self.dump_once(&mut message)? {
                return Ok(replies);
            }
        }
        Err(NetlinkError::Interrupted)
    }

    fn dump_once(&mut self, message: &mut Message) -> Result<Option<Vec<Reply>>, NetlinkError> {
        let sequence = self.send(std::slice::from_mut(message))?;
        let (mut replies, mut is_done, mut is_whole) = (Vec::new(), false, true);
        while !is_done {
            self.receive(|header, body| {
                if header.sequence != sequence {
                    return Ok(());
                }
                is_whole &= header.flags & flag::DUMP_INTERRUPTED == 0;
                match header.kind {
                    NLMSG_DONE => is_done = true,
                    NLMSG_ERROR => {
                        is_done = true;
                        return acknowledgement(&header, body, 0);
                    }
                    kind => replies.push(Reply { kind, body: body.to_vec() }),
                }
                Ok(())
            })?;
        }
        Ok(is_whole.then_some(replies))
    }

    /// Numbers and sends `messages`; returns the first one's sequence number.
    fn send(&mut self, messages: &mut [Message]) -> Result<u32, NetlinkError> {
        let first = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            datagram.extend_from_slice(message.finish(self.sequence));
        }
        let kernel = netlink::SocketAddrNetlink::new(0, 0);
        retry(|| sendto(&self.fd, &datagram, SendFlags::empty(), &kernel))
            .map_err(|source| NetlinkError::Socket { operation: "send", source })?;
        Ok(first)
    }

    /// Reads one datagram and hands each message in it to `each`.
    fn receive(
        &mut self,
        mut each: impl FnMut(Header, &[u8]) -> Result<(), NetlinkError>,
    ) -> Result<(), NetlinkError> {
        self.buffer.resize(RECEIVE_BYTES, 0);
        let (fd, buffer) = (&self.fd, &mut self.buffer[..]);
        let (_, length) = retry(|| recv(fd, &mut *buffer, RecvFlags::TRUNC))
            .map_err(|source| NetlinkError::Socket { operation: "receive", source })?;
        let mut rest = self.buffer.get(..length).ok_or(NetlinkError::Malformed)?;
        while !rest.is_empty() {
            let header = Header::parse(rest).ok_or(NetlinkError::Malformed)?;
            let body = rest.get(HEADER_BYTES..header.length).ok_or(NetlinkError::Malformed)?;
            each(header, body)?;
            rest = rest.get(header.length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(())
    }
}

/// `struct nlmsghdr`.
#[derive(Clone, Copy)]
struct Header {
    length: usize,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEADER_BYTES>()?;
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
        (length >= HEADER_BYTES).then_some(Self {
            length,
            kind: u16::from_ne_bytes([head[4], head[5]]),
            flags: u16::from_ne_bytes([head[6], head[7]]),
            sequence: u32::from_ne_bytes([head[8], head[9], head[10], head[11]]),
        })
    }
}

/// Reads `struct nlmsgerr`: zero is success.
fn acknowledgement(header: &Header, body: &[u8], index: usize) -> Result<(), NetlinkError> {
    let code = body.first_chunk::<4>().ok_or(NetlinkError::Malformed)?;
    let code = i32::from_ne_bytes(*code);
    if code == 0 {
        return Ok(());
    }
    let text = (header.flags & flag::ACK_ATTRIBUTES != 0)
        .then(|| body.get(quoted_length(header, body)..))
        .flatten()
        .and_then(|attributes| find(attributes, NLMSGERR_ATTR_MSG))
        .map(|text| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
    Err(NetlinkError::Refused { index, text, source: Errno::from_raw_os_error(-code) })
}

/// Bytes before an error's attributes: the code and the quoted request.
fn quoted_length(header: &Header, body: &[u8]) -> usize {
    let request = if header.flags & flag::CAPPED != 0 {
        HEADER_BYTES
    } else {
        body.get(4..).and_then(Header::parse).map_or(HEADER_BYTES, |quoted| quoted.length)
    };
    4 + request.next_multiple_of(4)
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn set_option(fd: &OwnedFd, option: libc::c_int) -> std::io::Result<()> {
    let one: libc::c_int = 1;
    // SAFETY: the pointer and length describe `one`, which outlives the call; the kernel only
    // reads it.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const one).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
