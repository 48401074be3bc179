//! Notices that a client has gone while its request is answered.
//!
//! HTTP clients that close their side early (`nc -N`, old attach clients) keep reading, so the
//! end of input alone ends nothing (hyper's `half_close`). But a `wait` or a `logs --follow`
//! whose client died would otherwise run for as long as the container. So while a request is
//! answered the socket is asked from time to time: both directions closed means gone at once;
//! input closed at two looks in a row means gone, too, except where a hijack may follow.

use std::{
    os::fd::OwnedFd,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

const LOOK_EVERY: Duration = Duration::from_secs(5);

const IDLE: u8 = 0;
const ANSWERING: u8 = 1;
const HIJACKABLE: u8 = 2;

/// What a connection does.
#[derive(Debug, Default)]
pub(super) struct Activity(AtomicU8);

/// Until dropped, a request is answered.
pub(super) struct Answering<'a>(&'a Activity);

impl Activity {
    pub(super) fn begin(&self, path: &str) -> Answering<'_> {
        let is_hijackable = path.ends_with("/attach") || path.ends_with("/start");
        self.0.store(if is_hijackable { HIJACKABLE } else { ANSWERING }, Ordering::Relaxed);
        Answering(self)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.0.store(IDLE, Ordering::Relaxed);
    }
}

/// Returns when the client is gone.
pub(super) async fn watch(socket: &OwnedFd, activity: &Activity) {
    let mut was_half_closed = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let state = activity.0.load(Ordering::Relaxed);
        if state == IDLE {
            was_half_closed = false;
            continue;
        }
        let flags = look(socket);
        if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        let is_half_closed = flags.contains(PollFlags::RDHUP) && state == ANSWERING;
        if is_half_closed && was_half_closed {
            return;
        }
        was_half_closed = is_half_closed;
    }
}

fn look(socket: &OwnedFd) -> PollFlags {
    let mut sockets = [PollFd::new(socket, PollFlags::RDHUP)];
    match poll(&mut sockets, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => sockets[0].revents(),
        // Interrupted: the next look will tell.
        Err(_) => PollFlags::empty(),
    }
}
