//! From the socket to the sink.

use std::{
    io::{self, BufReader, Read, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    time::{Duration, Instant},
};

use container_log::{
    sink::{Configuration, Delivery, Sink},
    wire,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::SendFlags,
};

use crate::{
    queue::{Pushed, Queue},
    sink::{self, Sender},
};

/// How long messages are still sent after the end of the container.
pub const LAST_TIME: Duration = Duration::from_secs(10);
/// How often a thread that waits for room looks whether the container has ended.
const LOOK: Duration = Duration::from_secs(1);
/// At most one complaint in this time: a sink that is gone fails for every message.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);

/// Serves a supervisor until it closes its end.
///
/// # Errors
/// Those of the socket; a sink's failure at the start is told over it.
pub fn run(socket: OwnedFd) -> io::Result<()> {
    let socket = UnixStream::from(socket);
    let mut input = BufReader::with_capacity(64 << 10, socket.try_clone()?);
    let Some(configuration) = read_frame(&mut input)? else { return Ok(()) };
    let opened = serde_json::from_slice::<Configuration>(&configuration)
        .map_err(|error| format!("malformed configuration: {error}"))
        .and_then(|configuration| {
            let delivery = delivery(&configuration);
            sink::open(configuration).map(|s| (s, delivery)).map_err(|error| error.to_string())
        });
    let (sender, delivery) = match opened {
        Ok(opened) => opened,
        Err(text) => {
            let mut answer = vec![wire::FAILED];
            answer.extend_from_slice(text.as_bytes());
            return (&socket).write_all(&answer);
        }
    };
    (&socket).write_all(&[wire::READY])?;
    let queue = Arc::new(Queue::new(delivery));
    let taker = Arc::clone(&queue);
    // Ends with the socket; when this thread returns first, so does the process.
    std::thread::spawn(move || {
        let taken = take(&mut input, &taker);
        taker.close();
        std::thread::sleep(LAST_TIME);
        std::process::exit(i32::from(taken.is_err()));
    });
    send_all(sender, &queue, &socket);
    Ok(())
}

/// Asynchronous fluentd has a buffer of its own, which is a queue that drops.
fn delivery(configuration: &Configuration) -> Delivery {
    match &configuration.sink {
        Sink::Fluentd(fluentd) if fluentd.is_async => {
            Delivery::NonBlocking { max_buffer_bytes: fluentd.buffer_limit }
        }
        _ => configuration.delivery,
    }
}

fn take(input: &mut BufReader<UnixStream>, queue: &Queue) -> io::Result<()> {
    let mut ended: Option<Instant> = None;
    while let Some(mut frame) = read_frame(input)? {
        while let Pushed::Full(back) = queue.push(frame, LOOK) {
            frame = back;
            if ended.is_none() && has_hung_up(input.get_ref())? {
                ended = Some(Instant::now());
            }
            if ended.is_some_and(|at| at.elapsed() > LAST_TIME) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
    Ok(())
}

fn has_hung_up(socket: &UnixStream) -> io::Result<bool> {
    let mut fds = [PollFd::new(socket, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut fds, Some(&now)) {
        Ok(_) => Ok(fds[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP)),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads one frame; `None` at the end.
fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > wire::MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame exceeds the limit"));
    }
    let mut frame = vec![0; length];
    input.read_exact(&mut frame)?;
    Ok(Some(frame))
}

fn send_all(mut sender: Box<dyn Sender>, queue: &Queue, socket: &UnixStream) {
    let mut complaints = Complaints { socket, last: None, silenced: 0 };
    while let Some(frame) = queue.pop() {
        let Some((stream, message)) = wire::parse_message(&frame) else {
            complaints.add("a malformed message was passed over");
            continue;
        };
        if let Err(error) = sender.send(stream, &message) {
            complaints.add(&error.to_string());
        }
        let dropped = queue.take_dropped();
        if dropped > 0 {
            complaints.add(&format!("{dropped} messages were dropped: the sink is too slow"));
        }
    }
}

/// What goes back to the supervisor, which keeps it.
struct Complaints<'a> {
    socket: &'a UnixStream,
    last: Option<Instant>,
    silenced: u64,
}

impl Complaints<'_> {
    fn add(&mut self, text: &str) {
        if self.last.is_some_and(|at| at.elapsed() < COMPLAINT_PAUSE) {
            self.silenced += 1;
            return;
        }
        let mut message = vec![wire::COMPLAINT];
        message.extend_from_slice(text.as_bytes());
        if self.silenced > 0 {
            message.extend_from_slice(format!(" (and {} more)", self.silenced).as_bytes());
        }
        // A supervisor that is gone or busy keeps no complaints.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if rustix::net::send(self.socket, &message, flags).is_ok() {
            (self.last, self.silenced) = (Some(Instant::now()), 0);
        }
    }
}
