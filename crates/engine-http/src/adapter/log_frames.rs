//! Log records as the bytes that clients read.

use ::container::{LogBatches, LogRecord, StreamKind};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};

use crate::{Framing, stdcopy};

/// How records are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) framing: Framing,
    pub(super) timestamps: bool,
    pub(super) details: bool,
}

/// Batches of records as chunks of bytes. A failure is told in the stream itself, where clients
/// look for it, as Docker does: the answer's head is long gone.
pub(super) fn frames(
    batches: LogBatches,
    format: Format,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(batches, move |mut batches| async move {
        let chunk = match batches.recv().await? {
            Ok(records) => encode(&records, format),
            Err(error) => failure(&error, format.framing),
        };
        Some((Ok(chunk), batches))
    })
}

/// Records as bytes.
pub(super) fn encode(records: &[LogRecord], format: Format) -> Bytes {
    let mut bytes = BytesMut::new();
    let mut line = Vec::new();
    for record in records {
        line.clear();
        write_line(&mut line, record, format);
        if format.framing == Framing::Multiplexed {
            let stream = match record.stream {
                StreamKind::Stdout => stdcopy::Stream::Stdout,
                StreamKind::Stderr => stdcopy::Stream::Stderr,
            };
            let length = u32::try_from(line.len()).expect("a record is far below 4 GiB");
            bytes.extend_from_slice(&stdcopy::header(stream, length));
        }
        bytes.extend_from_slice(&line);
    }
    bytes.freeze()
}

fn failure(error: &std::io::Error, framing: Framing) -> Bytes {
    let text = format!("Error grabbing logs: {error}\n");
    match framing {
        Framing::Raw => Bytes::from(text),
        Framing::Multiplexed => stdcopy::frame(stdcopy::Stream::SystemError, text.as_bytes()),
    }
}

fn write_line(line: &mut Vec<u8>, record: &LogRecord, format: Format) {
    if format.timestamps {
        record.time.write_fixed(line);
        line.push(b' ');
    }
    if format.details {
        for (index, (name, value)) in record.attrs.iter().enumerate() {
            line.extend_from_slice(if index == 0 { b"" } else { b"," });
            write_escaped(line, name);
            line.push(b'=');
            write_escaped(line, value);
        }
        line.push(b' ');
    }
    line.extend_from_slice(&record.log);
}

/// As in a form: everything but letters, digits and `-_.~` is escaped, a space is a plus.
fn write_escaped(line: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => line.push(byte),
            b' ' => line.push(b'+'),
            _ => line.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::container::Timestamp;

    use super::*;

    #[test]
    fn framed_with_times_and_details() {
        let record = LogRecord {
            log: b"hi\xff\n".to_vec(),
            stream: StreamKind::Stderr,
            time: Timestamp::parse("2026-01-01T00:00:00.5Z").unwrap(),
            attrs: [("a b".to_owned(), "1&2".to_owned()), ("c".to_owned(), "\u{e4}".to_owned())]
                .into(),
        };
        let framing = Framing::Multiplexed;
        let format = Format { framing, timestamps: true, details: true };
        let bytes = encode(&[record], format);
        assert_eq!(bytes[0], 2);
        assert_eq!(&bytes[8..], b"2026-01-01T00:00:00.500000000Z a+b=1%262,c=%C3%A4 hi\xff\n");
    }
}
