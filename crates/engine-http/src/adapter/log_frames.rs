//! Log records as the bytes that clients read.

use ::container::{LogBatches, LogRecord};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};

use crate::{Framing, stdcopy};

/// How records are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) framing: Framing,
    pub(super) timestamps: bool,
    pub(super) details: bool,
}

/// Batches of records as chunks of bytes.
pub(super) fn frames(
    batches: LogBatches,
    format: Format,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(batches, |mut batches| async move {
        batches.recv().await.map(|batch| (batch, batches))
    })
    .map(move |batch| batch.map(|records| encode(&records, format)))
}

fn encode(records: &[LogRecord], format: Format) -> Bytes {
    let mut bytes = BytesMut::new();
    for record in records {
        let line = line(record, format);
        if format.framing == Framing::Multiplexed {
            let stream =
                if record.is_stderr() { stdcopy::Stream::Stderr } else { stdcopy::Stream::Stdout };
            let length = u32::try_from(line.len()).expect("a record is far below 4 GiB");
            bytes.put_slice(&stdcopy::header(stream, length));
        }
        bytes.put_slice(line.as_bytes());
    }
    bytes.freeze()
}

fn line(record: &LogRecord, format: Format) -> String {
    let mut line = String::with_capacity(record.log.len() + 32);
    if format.timestamps {
        line.push_str(&padded(&record.time));
        line.push(' ');
    }
    if format.details {
        let pairs: Vec<String> =
            record.attrs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        line.push_str(&pairs.join(","));
        line.push(' ');
    }
    line.push_str(&record.log);
    line
}

/// Docker prints nine digits of a second, so that columns align.
fn padded(time: &str) -> String {
    let Some(bare) = time.strip_suffix('Z') else { return time.to_owned() };
    let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    format!("{seconds}.{fraction:0<9}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framed_with_times() {
        let record = LogRecord {
            log: "hi\n".into(),
            stream: "stderr".into(),
            time: "2026-01-01T00:00:00.5Z".into(),
            attrs: Default::default(),
        };
        let format = Format { framing: Framing::Multiplexed, timestamps: true, details: false };
        let bytes = encode(&[record], format);
        assert_eq!(bytes[0], 2);
        assert_eq!(&bytes[8..], b"2026-01-01T00:00:00.500000000Z hi\n");
    }
}
