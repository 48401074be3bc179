//! Notices that a client has gone while its request is answered.
//!
//! HTTP clients that close their side early (`nc -N`, old attach clients) keep reading, so the
//! end of input alone ends nothing (hyper's `half_close`). But a `wait` or a `logs --follow`
//! whose client died would otherwise run for as long as the container. So while a request is
//! answered the socket is asked from time to time: both directions closed means gone at once;
//! input closed at two looks in a row means gone, too, except where a hijack may follow.

use std::{
    os::fd::OwnedFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const LOOK_EVERY: Duration = Duration::from_secs(5);

const IDLE: u8 = 0;
const ANSWERING: u8 = 1;
const HIJACKABLE: u8 = 2;

/// What a connection does.
#[derive(Debug, Default)]
pub(super) struct Activity(AtomicU8);

/// Until dropped, a request is answered.
pub(super) struct Answering(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>, path: &str) -> Answering {
        let is_hijackable = path.ends_with("/attach") || path.ends_with("/start");
        self.0.store(if is_hijackable { HIJACKABLE } else { ANSWERING }, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(IDLE, Ordering::Relaxed);
    }
}

impl Answering {
    /// Keeps the request going until its answer's body is sent or dropped.
    pub(super) fn until_sent(self, body: Body) -> Body {
        Body::new(Sending { body, _answering: self })
    }
}

struct Sending {
    body: Body,
    _answering: Answering,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
