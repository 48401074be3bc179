//! Where a container's output is kept.

mod escape;
mod json_file;
mod lines;
mod timestamp;

use std::io;

use shim_protocol::LogTarget;

pub use escape::escape;
pub use json_file::{Batch, JsonFile, Rotation};
pub use lines::{Lines, MAX_MESSAGE_BYTES, Message};
pub use timestamp::Timestamp;

use crate::stream::StreamKind;

/// A log with the unfinished lines of both streams.
#[derive(Debug)]
pub struct Log {
    file: JsonFile,
    stdout: Lines,
    stderr: Lines,
}

impl Log {
    /// Opens a target; `None` when nothing is to be kept.
    ///
    /// # Errors
    /// Those of opening the file.
    pub fn open(target: LogTarget) -> io::Result<Option<Self>> {
        match target {
            LogTarget::None => Ok(None),
            LogTarget::JsonFile { path, max_size_bytes, max_files, attrs } => {
                let rotation = Rotation { max_size_bytes, max_files };
                let file = JsonFile::open(path, rotation, &attrs)?;
                Ok(Some(Self { file, stdout: Lines::default(), stderr: Lines::default() }))
            }
        }
    }

    /// Writes what one read brought, in as few writes as possible.
    ///
    /// # Errors
    /// The first failure; what could not be written is lost, later messages are tried again.
    pub fn write(
        &mut self,
        stream: StreamKind,
        bytes: &[u8],
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let Self { file, stdout, stderr } = self;
        let mut batch = file.batch(stream, buffer);
        let lines = if stream == StreamKind::Stdout { stdout } else { stderr };
        lines.feed(bytes, Timestamp::now(), |message| batch.push(message));
        batch.finish()
    }

    /// Writes a stream's unfinished line at its end.
    ///
    /// # Errors
    /// As [`Log::write`].
    pub fn finish(&mut self, stream: StreamKind, buffer: &mut Vec<u8>) -> io::Result<()> {
        let Self { file, stdout, stderr } = self;
        let mut batch = file.batch(stream, buffer);
        let lines = if stream == StreamKind::Stdout { stdout } else { stderr };
        lines.finish(Timestamp::now(), |message| batch.push(message));
        batch.finish()
    }

    /// Opens the file anew.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.file.reopen()
    }
}
