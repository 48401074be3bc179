//! Command line clients with a deadline.

use std::{
    fmt,
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::poll::{eventually, within};

/// How long one command may take.
pub const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// What a command did.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    /// Its arguments.
    pub command: String,
    /// Its exit code; 128 + signal when it was killed.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(
            f,
            "`{}` gave {}\n--- stdout\n{stdout}\n--- stderr\n{}",
            self.command, self.code, self.stderr
        )
    }
}

impl Output {
    /// Standard output as text without the last line's end.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Standard output's lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Insists on exit code 0 and gives [`Self::text`].
    ///
    /// # Panics
    /// With everything it wrote, when the command failed.
    #[track_caller]
    #[must_use]
    pub fn ok(&self) -> String {
        assert!(self.code == 0, "{self:?}");
        self.text()
    }

    /// Insists on an exit code and on a text in standard error.
    ///
    /// # Panics
    /// With everything it wrote, when it did otherwise.
    #[track_caller]
    pub fn fails(&self, code: i32, message: &str) {
        assert!(
            self.code == code && self.stderr.contains(message),
            "expected {code}, {message:?}; {self:?}"
        );
    }
}

fn describe(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

type Sink = Arc<Mutex<Vec<u8>>>;

/// A command that runs.
pub struct Session {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    readers: Vec<JoinHandle<()>>,
    stdout: Sink,
    stderr: Sink,
}

impl Session {
    /// Starts a command with all three streams in hand.
    ///
    /// # Panics
    /// When the program is not there.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let name = describe(&command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (stdout, stderr) = (Sink::default(), Sink::default());
        let readers = vec![
            drain(child.stdout.take().expect("piped"), Arc::clone(&stdout)),
            drain(child.stderr.take().expect("piped"), Arc::clone(&stderr)),
        ];
        let stdin = child.stdin.take();
        Self { command: name, child, stdin, readers, stdout, stderr }
    }

    /// The client's own pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pids are small")
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// When that is closed.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("standard input takes bytes");
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn so_far(&self) -> String {
        text(&self.stdout)
    }

    /// Waits until it has written `expected`.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn expect(&self, expected: &str) {
        eventually(&format!("{expected:?} from {}", self.command), || {
            self.so_far().contains(expected)
        });
    }

    /// Waits for its end; standard input is closed first.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    #[must_use]
    pub fn wait(mut self) -> Output {
        self.stdin = None;
        let status = within(COMMAND_PATIENCE, || self.child.try_wait().expect("own child"));
        if status.is_none() {
            self.kill();
        }
        let status = status.unwrap_or_else(|| {
            panic!(
                "{} does not end; so far:\n{}\n{}",
                self.command,
                self.so_far(),
                text(&self.stderr)
            )
        });
        for reader in self.readers.drain(..) {
            reader.join().expect("the reader does not panic");
        }
        use std::os::unix::process::ExitStatusExt;
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Output {
            command: self.command.clone(),
            code: code.expect("an ended process has either"),
            stdout: self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            stderr: text(&self.stderr),
        }
    }

    /// Kills the client.
    pub fn kill(&mut self) {
        // An ended child is fine.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

fn text(sink: &Sink) -> String {
    String::from_utf8_lossy(&sink.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

fn drain(mut from: impl Read + Send + 'static, into: Sink) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..count]);
        }
    })
}

/// Runs a command to its end with `input` as its standard input.
///
/// # Panics
/// When it does not end in time.
#[track_caller]
#[must_use]
pub fn run(command: Command, input: &[u8]) -> Output {
    let mut session = Session::spawn(command);
    if let Some(mut stdin) = session.stdin.take() {
        let input = input.to_vec();
        // Its own thread: the command may write before it reads, or never read.
        session.readers.push(thread::spawn(move || drop(stdin.write_all(&input))));
    }
    session.wait()
}
