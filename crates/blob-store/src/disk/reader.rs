//! Reading a blob in pieces, one piece ahead of the consumer.

use std::{fs::File, io, os::unix::fs::FileExt};

use bytes::Bytes;
use futures_util::stream;
use tokio::task::JoinHandle;
use types::Digest;

use super::Shared;
use crate::{BlobReader, BlobStoreError, ByteRange};

const PIECE_BYTES: u64 = 256 * 1024;

struct Reader {
    file: File,
    offset: u64,
    end: u64,
}

/// Opens the file at once, so that a later deletion cannot disturb the reader.
pub(super) fn open(
    shared: &Shared,
    digest: &Digest,
    range: ByteRange,
) -> Result<BlobReader, BlobStoreError> {
    let path = shared.blob_path(digest);
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BlobStoreError::NotFound { digest: digest.clone() },
        _ => BlobStoreError::io("open", &path, error),
    })?;
    let size = file.metadata().map_err(|e| BlobStoreError::io("look up", &path, e))?.len();
    let ByteRange { offset, length } = range;
    let end = match offset.checked_add(length) {
        Some(end) if end <= size => end,
        _ => return Err(BlobStoreError::OutOfRange { offset, length, size }),
    };
    Ok(pieces(Reader { file, offset, end }))
}

type Ahead = JoinHandle<io::Result<(Bytes, Reader)>>;

fn pieces(reader: Reader) -> BlobReader {
    Box::pin(stream::try_unfold(read_ahead(reader), |ahead| async move {
        let Some(ahead) = ahead else { return Ok(None) };
        let (bytes, reader) = ahead.await.map_err(io::Error::other)??;
        Ok(Some((bytes, read_ahead(reader))))
    }))
}

fn read_ahead(reader: Reader) -> Option<Ahead> {
    (reader.offset < reader.end).then(|| tokio::task::spawn_blocking(move || read_piece(reader)))
}

fn read_piece(mut reader: Reader) -> io::Result<(Bytes, Reader)> {
    let length = PIECE_BYTES.min(reader.end - reader.offset);
    // Fits: it is at most 256 KiB.
    let mut piece = vec![0; length as usize];
    reader.file.read_exact_at(&mut piece, reader.offset)?;
    reader.offset += length;
    Ok((piece.into(), reader))
}
