//! Where a container's output goes: a file, a logger, or both.

mod logger;

use std::{io, time::Instant};

use container_log::{
    Format, Lines, LogFile, LogFileSettings, Rotation, StreamKind, Timestamp, wire,
};
use shim_protocol::{LogPosition, LogTarget};

pub use logger::Logger;

use crate::poller::{Poller, Token};

/// A log with the unfinished lines of both streams.
#[derive(Debug)]
pub struct Log {
    file: Option<LogFile>,
    logger: Option<Logger>,
    stdout: Lines,
    stderr: Lines,
}

impl Log {
    /// Opens a target; `None` when nothing is to be kept. A logger is started and its sink is
    /// reached, or this fails.
    ///
    /// # Errors
    /// Those of opening the file; the logger's own.
    pub fn open(target: LogTarget, token: Token, poller: &Poller) -> io::Result<Option<Self>> {
        let (file, sink) = match target {
            LogTarget::None => return Ok(None),
            LogTarget::JsonFile(file) => (Some((Format::Json, file)), None),
            LogTarget::Local(file) => (Some((Format::Local, file)), None),
            LogTarget::Sink(mut sink) => {
                (sink.cache.take().map(|file| (Format::Local, file)), Some(sink))
            }
        };
        let file = file.map(|(format, file)| LogFile::open(settings(format, file))).transpose()?;
        let logger = sink.map(|sink| Logger::start(sink, token, poller)).transpose()?;
        Ok(Some(Self { file, logger, stdout: Lines::default(), stderr: Lines::default() }))
    }

    /// Takes what one read brought, and writes it in as few writes as possible.
    ///
    /// # Errors
    /// The first failure; what could not be written is lost, later messages are tried again.
    pub fn write(
        &mut self,
        stream: StreamKind,
        bytes: &[u8],
        buffer: &mut Vec<u8>,
        poller: &Poller,
    ) -> io::Result<()> {
        self.put(stream, Some(bytes), buffer, poller)
    }

    /// Writes a stream's unfinished line at its end.
    ///
    /// # Errors
    /// As [`Log::write`].
    pub fn finish(
        &mut self,
        stream: StreamKind,
        buffer: &mut Vec<u8>,
        poller: &Poller,
    ) -> io::Result<()> {
        self.put(stream, None, buffer, poller)
    }

    /// With no bytes, the stream's last line.
    fn put(
        &mut self,
        stream: StreamKind,
        bytes: Option<&[u8]>,
        buffer: &mut Vec<u8>,
        poller: &Poller,
    ) -> io::Result<()> {
        let Self { file, logger, stdout, stderr } = self;
        let lines = if stream == StreamKind::Stdout { stdout } else { stderr };
        let mut batch = file.as_mut().map(|file| file.batch(stream, buffer));
        let mut frames = Vec::new();
        let is_sent = logger.is_some();
        let emit = |message: container_log::Message<'_>| {
            if let Some(batch) = &mut batch {
                batch.push(message);
            }
            if is_sent {
                wire::put_message(&mut frames, stream, &message);
            }
        };
        match bytes {
            Some(bytes) => lines.feed(bytes, Timestamp::now(), emit),
            None => lines.finish(Timestamp::now(), emit),
        }
        let written = batch.map_or(Ok(()), container_log::Batch::finish);
        let sent = logger.as_mut().map_or(Ok(()), |logger| logger.send(frames, poller));
        written.and(sent)
    }

    /// What has been read of a stream and is in no message yet.
    #[must_use]
    pub fn unfinished(&self, stream: StreamKind) -> &[u8] {
        match stream {
            StreamKind::Stdout => self.stdout.unfinished(),
            StreamKind::Stderr => self.stderr.unfinished(),
        }
    }

    /// Where the file ends now.
    #[must_use]
    pub fn position(&self) -> Option<LogPosition> {
        let position = self.file.as_ref()?.position();
        Some(LogPosition { inode: position.inode, offset: position.offset })
    }

    /// Opens the file anew.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), LogFile::reopen)
    }

    /// Serves the logger's socket, and starts the logger again when the time has come.
    ///
    /// # Errors
    /// The logger is gone; it will be started again.
    pub fn serve(&mut self, poller: &Poller) -> io::Result<()> {
        self.logger.as_mut().map_or(Ok(()), |logger| logger.serve(poller))
    }

    /// Whether the container has to wait.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.logger.as_ref().is_some_and(Logger::is_congested)
    }

    /// Whether the logger has not taken everything.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.logger.as_ref().is_some_and(Logger::is_pending)
    }

    /// When to serve without being asked.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.logger.as_ref().and_then(Logger::deadline)
    }
}

fn settings(format: Format, file: shim_protocol::LogFile) -> LogFileSettings {
    let shim_protocol::LogFile { path, max_size_bytes, max_files, attrs, compressor } = file;
    let rotation = Rotation { max_size_bytes, max_files, compressor };
    LogFileSettings { path, format, rotation, attributes: attrs }
}
