//! Request bodies, read with a limit on silence.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use registry::MAX_MANIFEST_BYTES;

use crate::answer::{Code, Failure};

/// A client that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
const DRAIN_BYTES: usize = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A request's body.
pub(crate) struct Incoming {
    body: Body,
    has_ended: bool,
}

impl Incoming {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, has_ended: false }
    }

    /// The next bytes, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while !self.has_ended {
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            let cut_off = |text| Failure::new(Code::UploadInvalid, text);
            match frame.map_err(|_| cut_off("request body stalled"))? {
                None => self.has_ended = true,
                Some(Err(_)) => {
                    self.has_ended = true;
                    return Err(cut_off("request body was cut off"));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
            }
        }
        Ok(None)
    }

    /// The whole body of a manifest.
    pub(crate) async fn manifest(&mut self) -> Result<Bytes, Failure> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            if all.len() + bytes.len() > MAX_MANIFEST_BYTES {
                return Err(Failure::new(Code::ManifestTooLarge, "manifest is too large"));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.into())
    }

    /// Reads what the handler left, within reason: a client that is still writing would see a
    /// reset instead of the answer.
    pub(crate) async fn drain(mut self) {
        let rest = async {
            let mut drained = 0;
            while drained < DRAIN_BYTES {
                match self.next().await {
                    Ok(Some(bytes)) => drained += bytes.len(),
                    _ => break,
                }
            }
        };
        // Too slow or too long: the connection is closed, which is all that can be done.
        let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
    }
}
