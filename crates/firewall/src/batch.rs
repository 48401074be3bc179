//! One transaction: all of it comes into force at one instant, or nothing.

use sys::netlink::{Message, NetlinkError, Socket, flag};

use crate::wire::{NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFPROTO_IPV4, batch_frame, nfgenmsg};

/// Messages between the batch's frame.
pub(crate) struct Batch {
    messages: Vec<Message>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { messages: vec![Message::new(NFNL_MSG_BATCH_BEGIN, 0, &batch_frame())] }
    }

    /// Adds a message of type `kind`; `flags` beside those every one has.
    pub(crate) fn add(&mut self, kind: u16, flags: u16, body: impl FnOnce(&mut Message)) {
        let mut message = Message::new(kind, flags | flag::ACK, &nfgenmsg(NFPROTO_IPV4));
        body(&mut message);
        self.messages.push(message);
    }

    pub(crate) fn commit(mut self, socket: &mut Socket) -> Result<(), NetlinkError> {
        self.messages.push(Message::new(NFNL_MSG_BATCH_END, 0, &batch_frame()));
        socket.transact(self.messages)
    }
}
