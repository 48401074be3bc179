//! The multiplexed stream of attach, exec and logs without a terminal.
//!
//! ```text
//! byte 0      stream: 0 stdin (written to stdout), 1 stdout, 2 stderr, 3 an error of the engine
//! bytes 1..4  zero
//! bytes 4..8  length of the payload, big endian
//! ```

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const HEADER_LEN: usize = 8;
const BUFFER_LEN: usize = 64 * 1024;

/// Copies `source` until its end, each payload to the stream it belongs to.
///
/// # Errors
/// `InvalidData` for an unknown stream or the engine's own error frame, `UnexpectedEof` for a cut
/// frame, and whatever the streams give.
pub async fn demultiplex<S, O, E>(source: &mut S, stdout: &mut O, stderr: &mut E) -> io::Result<()>
where
    S: AsyncRead + Unpin + ?Sized,
    O: AsyncWrite + Unpin + ?Sized,
    E: AsyncWrite + Unpin + ?Sized,
{
    let mut buffer = vec![0u8; BUFFER_LEN];
    while let Some((stream, length)) = read_header(source).await? {
        match stream {
            0 | 1 => copy_payload(source, stdout, length, &mut buffer).await?,
            2 => copy_payload(source, stderr, length, &mut buffer).await?,
            3 => return Err(engine_error(source, length).await?),
            other => {
                let text = format!("unrecognized stream: {other}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    Ok(())
}

/// The next header, or `None` where the source ends between frames.
async fn read_header<S: AsyncRead + Unpin + ?Sized>(
    source: &mut S,
) -> io::Result<Option<(u8, u32)>> {
    let mut header = [0u8; HEADER_LEN];
    if source.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    source.read_exact(&mut header[1..]).await?;
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    Ok(Some((header[0], length)))
}

async fn copy_payload<S, W>(
    source: &mut S,
    sink: &mut W,
    length: u32,
    buffer: &mut [u8],
) -> io::Result<()>
where
    S: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut left = length as usize;
    while left > 0 {
        let want = left.min(buffer.len());
        let got = source.read(&mut buffer[..want]).await?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sink.write_all(&buffer[..got]).await?;
        left -= got;
    }
    sink.flush().await
}

async fn engine_error<S: AsyncRead + Unpin + ?Sized>(
    source: &mut S,
    length: u32,
) -> io::Result<io::Error> {
    let mut text = Vec::new();
    source.take(u64::from(length).min(BUFFER_LEN as u64)).read_to_end(&mut text).await?;
    let text = format!("error from daemon in stream: {}", String::from_utf8_lossy(&text));
    Ok(io::Error::new(io::ErrorKind::InvalidData, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    async fn run(bytes: &[u8]) -> (io::Result<()>, Vec<u8>, Vec<u8>) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut source = bytes;
        let result = demultiplex(&mut source, &mut out, &mut err).await;
        (result, out, err)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn payloads_go_to_their_streams() {
        let bytes = [frame(1, b"one"), frame(2, b"two"), frame(1, b""), frame(1, b"!")].concat();
        let (result, out, err) = run(&bytes).await;
        result.unwrap();
        assert_eq!((out.as_slice(), err.as_slice()), (&b"one!"[..], &b"two"[..]));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn cut_and_foreign_frames_are_errors() {
        assert_eq!(
            run(&frame(1, b"xyz")[..9]).await.0.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(run(&[1, 0]).await.0.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(run(&frame(9, b"")).await.0.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let error = run(&frame(3, b"log driver gone")).await.0.unwrap_err();
        assert!(error.to_string().contains("log driver gone"));
    }
}
