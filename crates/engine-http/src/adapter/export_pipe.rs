//! One archive from who writes it to who reads it, on two threads.
//!
//! A reader cannot tell the end of an archive from the end of its writer. This one can: it ends
//! well only after the writer has said that it is done, so half an archive is never taken for a
//! whole one.

use std::{
    io::{self, PipeReader, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use tokio::task::JoinHandle;

use super::files::internal;
use crate::{Answer, ApiError};

/// The reading end.
pub(super) struct ExportReader {
    pipe: PipeReader,
    /// One message: everything was written.
    whole: mpsc::Receiver<()>,
    is_whole: bool,
    was_short: Arc<AtomicBool>,
}

/// The writing side, which runs by itself.
pub(super) struct Export {
    task: JoinHandle<Answer<()>>,
    was_short: Arc<AtomicBool>,
}

/// Starts to write on a blocking thread.
pub(super) fn open(
    write: impl FnOnce(&mut dyn Write) -> Answer<()> + Send + 'static,
) -> Answer<(ExportReader, Export)> {
    let (pipe, writer) = io::pipe().map_err(|error| internal(&error))?;
    let (done, whole) = mpsc::channel();
    let was_short = Arc::new(AtomicBool::new(false));
    let task = tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::new(writer);
        write(&mut out)?;
        out.flush().map_err(|error| internal(&error))?;
        // The reader may have ended already; its result tells why.
        done.send(()).ok();
        Ok(())
    });
    let reader = ExportReader { pipe, whole, is_whole: false, was_short: Arc::clone(&was_short) };
    Ok((reader, Export { task, was_short }))
}

impl Export {
    /// Of two failures gives the one that caused the other: the reader's, unless it failed for
    /// want of the rest.
    pub(super) async fn blame<T, E: Into<ApiError>>(self, read: Result<T, E>) -> Answer<T> {
        let written = self.task.await.map_err(|error| internal(&error))?;
        match (read, written) {
            (Err(_), Err(written)) if self.was_short.load(Ordering::SeqCst) => Err(written),
            (Err(read), _) => Err(read.into()),
            (Ok(_), Err(written)) => Err(written),
            (Ok(value), Ok(())) => Ok(value),
        }
    }
}

impl Read for ExportReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pipe.read(buffer)?;
        if count > 0 || buffer.is_empty() || self.is_whole {
            return Ok(count);
        }
        self.is_whole = self.whole.recv().is_ok();
        if self.is_whole {
            return Ok(0);
        }
        self.was_short.store(true, Ordering::SeqCst);
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the export ended early"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn half_an_archive_is_no_archive_and_the_cause_is_told() {
        let failed = || ApiError::new(types::ErrorKind::Internal, "the disk is gone");
        let (mut reader, export) = open(move |out| {
            out.write_all(b"half").map_err(|error| internal(&error))?;
            Err(failed())
        })
        .unwrap();
        let read = tokio::task::spawn_blocking(move || io::read_to_string(&mut reader));
        let read = read.await.unwrap().map_err(|error| internal(&error));
        let error = export.blame(read).await.unwrap_err();
        assert_eq!(error.message, "the disk is gone");
    }

    #[tokio::test]
    async fn a_reader_that_gives_up_tells_why() {
        let (reader, export) = open(|out| {
            let block = [0; 1 << 16];
            loop {
                out.write_all(&block).map_err(|error| internal(&error))?;
            }
        })
        .unwrap();
        drop(reader);
        let full = ApiError::new(types::ErrorKind::Internal, "no space left");
        let error = export.blame(Err::<(), _>(full)).await.unwrap_err();
        assert_eq!(error.message, "no space left");
    }

    #[tokio::test]
    async fn a_whole_archive_ends_well() {
        let (mut reader, export) =
            open(|out| out.write_all(b"whole").map_err(|error| internal(&error))).unwrap();
        let read = tokio::task::spawn_blocking(move || io::read_to_string(&mut reader));
        let read = read.await.unwrap().map_err(|error| internal(&error));
        assert_eq!(export.blame(read).await.unwrap(), "whole");
    }
}
