//! What comes back: status, headers and a body that is read as a document or as a stream.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, response::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::ClientError;

/// Most that is buffered of one document.
const MAX_DOCUMENT_LEN: usize = 256 * 1024 * 1024;

/// A successful answer.
pub struct Answer {
    pub(crate) path: String,
    pub(crate) head: Parts,
    pub(crate) body: Incoming,
}

impl Answer {
    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The next bytes of the body, `None` at its end.
    ///
    /// # Errors
    /// [`ClientError::Transport`] when the connection breaks.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            let frame =
                frame.map_err(|e| ClientError::transport("reading the engine's answer", e))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The body as a stream of bytes.
    pub fn into_reader(self) -> impl tokio::io::AsyncRead + Unpin + Send {
        let chunks = futures_util::stream::try_unfold(self, |mut answer| async {
            match answer.chunk().await {
                Ok(chunk) => Ok(chunk.map(|bytes| (bytes, answer))),
                Err(error) => Err(std::io::Error::other(error)),
            }
        });
        tokio_util::io::StreamReader::new(Box::pin(chunks))
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`ClientError::Transport`], or [`ClientError::Answer`] when it is unreasonably long.
    pub async fn bytes(&mut self) -> Result<Bytes, ClientError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > MAX_DOCUMENT_LEN {
                let reason = "document is too long".to_owned();
                return Err(ClientError::Answer { path: self.path.clone(), reason });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The body as a document.
    ///
    /// # Errors
    /// As [`Answer::bytes`], and [`ClientError::Answer`] when it is not of the form.
    pub async fn document<T: DeserializeOwned>(mut self) -> Result<T, ClientError> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| ClientError::Answer { path: self.path, reason: e.to_string() })
    }

    /// The next JSON values of a stream of them; complete ones only, the rest stays in `pending`.
    ///
    /// # Errors
    /// As [`Answer::chunk`], and [`ClientError::Answer`] for bytes that are no JSON.
    pub async fn documents<T: DeserializeOwned>(
        &mut self,
        pending: &mut BytesMut,
    ) -> Result<Option<Vec<T>>, ClientError> {
        loop {
            let Some(chunk) = self.chunk().await? else { return Ok(None) };
            pending.extend_from_slice(&chunk);
            let mut stream = serde_json::Deserializer::from_slice(pending).into_iter::<T>();
            let mut found = Vec::new();
            for item in stream.by_ref() {
                match item {
                    Ok(item) => found.push(item),
                    Err(e) if e.is_eof() => break,
                    Err(e) => {
                        let reason = e.to_string();
                        return Err(ClientError::Answer { path: self.path.clone(), reason });
                    }
                }
            }
            let used = stream.byte_offset();
            let _ = pending.split_to(used);
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
    }
}
