//! Waiting for a process in the foreground: its terminal, its signals, its orphans.
//!
//! The caller's terminal becomes raw and is relayed to the process's, sizes included; every other
//! signal goes to the process as it comes. Orphans of the container that end up here (the caller
//! is a subreaper if it made itself one) are reaped.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use anyhow::{Context, bail};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    process::{Signal, WaitId, WaitIdOptions},
    stdio::{stderr, stdin, stdout},
    termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize},
};
use sys::signal::{Blocked, next_pending};

/// Bytes on their way in one direction.
const BUFFER_BYTES: usize = 32 << 10;

/// The caller's side, made ready before the process exists.
pub struct Foreground {
    signals: OwnedFd,
    console: Option<Console>,
}

impl Foreground {
    /// Blocks signals (they are forwarded from [`Foreground::wait`] on) and, for a process with a
    /// terminal, finds the caller's.
    pub fn prepare(has_terminal: bool) -> anyhow::Result<Self> {
        let console = has_terminal.then(Console::find).transpose()?;
        let signals = Blocked::all().and_then(|all| all.descriptor()).context("block signals")?;
        Ok(Self { signals, console })
    }

    /// The size of the caller's terminal, if there is one that knows it.
    pub fn size(&self) -> Option<(u16, u16)> {
        self.console.as_ref().and_then(Console::size)
    }

    /// Relays until the process ends; its exit code, or 128 + signal.
    pub fn wait(
        mut self,
        running: &runtime::Running,
        terminal: Option<OwnedFd>,
    ) -> anyhow::Result<u8> {
        let mut relay = match (terminal, &mut self.console) {
            (Some(terminal), Some(console)) => {
                console.make_raw()?;
                sys::descriptor::set_nonblocking(terminal.as_fd()).context("prepare terminal")?;
                Some(Relay::new(terminal))
            }
            _ => None,
        };
        loop {
            let has_ended = step(&self.signals, running, relay.as_mut())?;
            self.handle_signals(running, relay.as_ref())?;
            if has_ended {
                break;
            }
        }
        if let Some(relay) = &mut relay {
            relay.drain();
        }
        drop(self.console);
        exit_code(&running.pidfd)
    }

    fn handle_signals(
        &self,
        running: &runtime::Running,
        relay: Option<&Relay>,
    ) -> anyhow::Result<()> {
        const CHILD: i32 = Signal::CHILD.as_raw();
        const WINDOW: i32 = Signal::WINCH.as_raw();
        while let Some(signal) = next_pending(self.signals.as_fd()).context("read signals")? {
            match (signal, relay, &self.console) {
                (CHILD, ..) => sys::process::reap_except(running.pid).context("reap")?,
                (WINDOW, Some(relay), Some(console)) => console.copy_size(&relay.terminal),
                // A process that is gone is noticed by its pidfd.
                _ => drop(sys::signal::send(running.pid, signal)),
            }
        }
        Ok(())
    }
}

/// Waits for something and relays; whether the process has ended.
fn step(
    signals: &OwnedFd,
    running: &runtime::Running,
    relay: Option<&mut Relay>,
) -> anyhow::Result<bool> {
    let interest = relay.as_ref().map_or(Interest::NONE, |relay| relay.interest());
    let terminal = relay.as_ref().map(|relay| relay.terminal.as_fd()).unwrap_or(signals.as_fd());
    let watched = [
        (signals.as_fd(), PollFlags::IN),
        (running.pidfd.as_fd(), PollFlags::IN),
        (stdin(), interest.input),
        (terminal, interest.terminal),
        (stdout(), interest.output),
    ];
    // One that is not wanted is left out: a hang-up would be reported all the same, for ever.
    let mut places: Vec<_> = watched
        .iter()
        .filter(|(_, flags)| !flags.is_empty())
        .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
        .collect();
    match poll(&mut places, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(e) => return Err(e).context("poll"),
    }
    let mut outcomes = places.iter().map(PollFd::revents);
    let ready = watched.map(|(_, flags)| {
        if flags.is_empty() { flags } else { outcomes.next().unwrap_or(PollFlags::empty()) }
    });
    let [_, ended, input, terminal, output] = ready;
    if let Some(relay) = relay {
        relay.advance(input, terminal, output);
    }
    Ok(!ended.is_empty())
}

/// Reaps a child; its exit code, or 128 + signal.
pub fn exit_code(pidfd: &OwnedFd) -> anyhow::Result<u8> {
    let status = rustix::io::retry_on_intr(|| {
        rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)
    })?
    .context("the process is not a child")?;
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .context("the process did not end")?;
    Ok(u8::try_from(code)?)
}

/// The caller's terminal. Dropped, it is as it was.
struct Console {
    device: OwnedFd,
    before: Option<Termios>,
}

impl Console {
    /// Any of the standard streams, else the controlling terminal.
    fn find() -> anyhow::Result<Self> {
        let streams: [BorrowedFd<'_>; 3] = [stdin(), stdout(), stderr()];
        let device = match streams.into_iter().find(|fd| rustix::termios::isatty(fd)) {
            Some(stream) => stream.try_clone_to_owned()?,
            None => match File::options().read(true).write(true).open("/dev/tty") {
                Ok(file) => file.into(),
                Err(error) => bail!(
                    "can't get a terminal: the standard streams are none and there is no \
                     controlling one ({error})"
                ),
            },
        };
        Ok(Self { device, before: None })
    }

    fn size(&self) -> Option<(u16, u16)> {
        let size = tcgetwinsize(&self.device).ok()?;
        Some((size.ws_col, size.ws_row))
    }

    fn copy_size(&self, terminal: &OwnedFd) {
        // A terminal that is gone needs no size.
        if let Ok(size) = tcgetwinsize(&self.device) {
            let _ = tcsetwinsize(terminal, size);
        }
    }

    fn make_raw(&mut self) -> anyhow::Result<()> {
        let before = tcgetattr(&self.device).context("read the terminal's settings")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&self.device, OptionalActions::Now, &raw).context("make the terminal raw")?;
        self.before = Some(before);
        Ok(())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // There is nobody to tell.
            let _ = tcsetattr(&self.device, OptionalActions::Now, before);
        }
    }
}

/// What to wait for.
struct Interest {
    input: PollFlags,
    terminal: PollFlags,
    output: PollFlags,
}

impl Interest {
    const NONE: Self = Self {
        input: PollFlags::empty(),
        terminal: PollFlags::empty(),
        output: PollFlags::empty(),
    };
}

/// Both directions between the standard streams and the process's terminal.
struct Relay {
    terminal: OwnedFd,
    to_process: Vec<u8>,
    to_caller: Vec<u8>,
    is_input_open: bool,
    is_terminal_open: bool,
}

impl Relay {
    fn new(terminal: OwnedFd) -> Self {
        Self {
            terminal,
            to_process: Vec::new(),
            to_caller: Vec::new(),
            is_input_open: true,
            is_terminal_open: true,
        }
    }

    fn interest(&self) -> Interest {
        let wanted = |is_wanted, flag| if is_wanted { flag } else { PollFlags::empty() };
        let read = self.is_terminal_open && self.to_caller.is_empty();
        let write = self.is_terminal_open && !self.to_process.is_empty();
        Interest {
            input: wanted(self.is_input_open && self.to_process.is_empty(), PollFlags::IN),
            terminal: wanted(read, PollFlags::IN) | wanted(write, PollFlags::OUT),
            output: wanted(!self.to_caller.is_empty(), PollFlags::OUT),
        }
    }

    fn advance(&mut self, input: PollFlags, terminal: PollFlags, output: PollFlags) {
        if !input.is_empty() && self.is_input_open && self.to_process.is_empty() {
            self.is_input_open = fill(stdin(), &mut self.to_process);
        }
        if !terminal.is_empty() {
            // Nobody has the device open at the moment; who opens it later is served again
            // only by a new relay, as the process itself held it until now.
            let is_hung_up = terminal.contains(PollFlags::HUP) && !terminal.contains(PollFlags::IN);
            self.is_terminal_open &= !is_hung_up;
            if self.to_caller.is_empty() && self.is_terminal_open {
                self.is_terminal_open = fill(self.terminal.as_fd(), &mut self.to_caller);
            }
            flush(self.terminal.as_fd(), &mut self.to_process);
        }
        if !output.is_empty() {
            flush(stdout(), &mut self.to_caller);
        }
    }

    /// What the process wrote before it ended.
    fn drain(&mut self) {
        loop {
            while !self.to_caller.is_empty() {
                flush(stdout(), &mut self.to_caller);
            }
            if !fill(self.terminal.as_fd(), &mut self.to_caller) || self.to_caller.is_empty() {
                return;
            }
        }
    }
}

/// Reads what there is; whether the source is still open.
fn fill(source: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> bool {
    let mut bytes = [0_u8; BUFFER_BYTES];
    match rustix::io::read(source, &mut bytes) {
        Ok(0) => false,
        Ok(count) => {
            buffer.extend_from_slice(&bytes[..count]);
            true
        }
        Err(Errno::INTR | Errno::AGAIN) => true,
        // EIO: a terminal whose other end is closed.
        Err(_) => false,
    }
}

/// Writes what fits; for a target that is gone the bytes are lost.
fn flush(target: BorrowedFd<'_>, buffer: &mut Vec<u8>) {
    match rustix::io::write(target, buffer) {
        Ok(count) => drop(buffer.drain(..count)),
        Err(Errno::INTR | Errno::AGAIN) => {}
        Err(_) => buffer.clear(),
    }
}
