//! A blob on its way to a registry: there already, mounted from a sibling, or sent in chunks.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use types::Digest;
use url::Url;

use crate::{
    DistributionError, Repository,
    client::{Answer, Call, Target},
    endpoint::Endpoint,
    exchange::location,
    payload::{FilePart, Payload},
};

/// Up to this size a blob goes in one request; above, in chunks of this size, so that a broken
/// connection costs at most one chunk.
const CHUNK: u64 = 64 * 1024 * 1024;
const MAX_MOUNTS: usize = 3;

/// A local blob to be uploaded.
#[derive(Clone)]
pub struct BlobUpload {
    /// Its digest, verified when it was stored.
    pub digest: Digest,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Its bytes; `None` when only HEAD and mounts are to be tried.
    pub source: Option<BlobSource>,
    /// Paths of repositories of the same registry that may hold it.
    pub mount_from: Vec<String>,
    /// Counts bytes as they go out.
    pub sent: Arc<AtomicU64>,
}

/// Where the bytes of an upload are.
#[derive(Clone)]
pub enum BlobSource {
    /// A file that holds exactly the blob.
    File(Arc<File>),
    /// Memory.
    Bytes(Bytes),
}

/// How a blob came to be in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there.
    AlreadyExists,
    /// The registry linked it from another repository.
    Mounted {
        /// Path of that repository.
        from: String,
    },
    /// Sent.
    Pushed,
    /// Not there, not mountable, and no local bytes.
    Missing,
}

impl Repository {
    fn push_endpoint(&self) -> &Endpoint {
        self.endpoints.last().expect("a repository has at least one endpoint")
    }

    /// Whether the repository holds a blob.
    ///
    /// # Errors
    /// Those of the transport; a refusal other than 404.
    pub async fn blob_exists(&self, digest: &Digest) -> Result<bool, DistributionError> {
        let rest = format!("blobs/{digest}");
        let endpoint = self.push_endpoint();
        let answer = self.persistent(endpoint, Method::HEAD, &rest, &HeaderMap::new()).await?;
        match answer.response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refuse(answer).await),
        }
    }

    async fn refuse(&self, answer: Answer) -> DistributionError {
        self.client.http().refusal(answer.response, &answer.method, &answer.url).await
    }

    /// Brings a blob into the repository by the cheapest way that works.
    ///
    /// # Errors
    /// [`DistributionError::Refused`] (e.g. `denied: ...`), [`DistributionError::Interrupted`].
    pub async fn upload(&self, blob: &BlobUpload) -> Result<Uploaded, DistributionError> {
        if self.blob_exists(&blob.digest).await? {
            return Ok(Uploaded::AlreadyExists);
        }
        let mut session = None;
        for from in blob.mount_from.iter().take(MAX_MOUNTS) {
            match self.mount(blob, from).await? {
                Mount::Done => return Ok(Uploaded::Mounted { from: from.clone() }),
                Mount::Session(url) => session = Some(url),
                Mount::Refused => {}
            }
        }
        let Some(source) = &blob.source else { return Ok(Uploaded::Missing) };
        Transfer { repository: self, blob, source, session, failures: 0 }.run().await?;
        Ok(Uploaded::Pushed)
    }

    async fn mount(&self, blob: &BlobUpload, from: &str) -> Result<Mount, DistributionError> {
        let rest = format!("blobs/uploads/?mount={}&from={from}", blob.digest);
        let mut scopes = self.scopes.clone();
        scopes.push(format!("repository:{from}:pull"));
        let mut call = self.call(self.push_endpoint(), Method::POST, &rest);
        call.scopes = &scopes;
        let answer = self.client.call(call).await?;
        match answer.response.status() {
            StatusCode::CREATED => Ok(Mount::Done),
            StatusCode::ACCEPTED => Ok(Mount::Session(location(&answer.response, &answer.url)?)),
            // A caller who may not read the other repository can still upload.
            status if status.is_client_error() => Ok(Mount::Refused),
            _ => Err(self.refuse(answer).await),
        }
    }
}

enum Mount {
    Done,
    Session(Url),
    Refused,
}

/// One upload session, begun again when the registry loses it.
struct Transfer<'a> {
    repository: &'a Repository,
    blob: &'a BlobUpload,
    source: &'a BlobSource,
    session: Option<Url>,
    failures: u32,
}

impl Transfer<'_> {
    async fn run(mut self) -> Result<(), DistributionError> {
        let mut offset = 0;
        loop {
            let error = match self.step(offset).await {
                Ok(Step::Finished) => return Ok(()),
                Ok(Step::Sent { offset: reached, session }) => {
                    offset = reached;
                    self.session = Some(session);
                    self.failures = 0;
                    continue;
                }
                Err(error) => error,
            };
            self.pause(error, offset).await?;
            offset = self.recover().await;
            self.blob.sent.store(offset, Ordering::Relaxed);
        }
    }

    /// Opens the session, sends one chunk, or closes the session.
    async fn step(&mut self, offset: u64) -> Result<Step, DistributionError> {
        let Some(session) = self.session.clone() else {
            return Ok(Step::Sent { offset: 0, session: self.begin().await? });
        };
        let left = self.blob.size_bytes - offset;
        if offset == 0 && left <= CHUNK {
            return self.finish(&session, self.part(0, left)).await;
        }
        if left == 0 {
            return self.finish(&session, Payload::Empty).await;
        }
        self.send(session, offset, left.min(CHUNK)).await
    }

    fn part(&self, offset: u64, length: u64) -> Payload {
        if length == 0 {
            return Payload::Empty;
        }
        match self.source {
            BlobSource::File(file) => {
                let (file, sent) = (file.clone(), self.blob.sent.clone());
                Payload::File(FilePart { file, offset, length, sent })
            }
            BlobSource::Bytes(bytes) => {
                let end = bytes.len().min((offset + length) as usize);
                Payload::Bytes(bytes.slice((offset as usize).min(end)..end))
            }
        }
    }

    fn call(&self, method: Method, target: Url) -> Call<'_> {
        let call = self.repository.call(self.repository.push_endpoint(), method, "");
        Call { target: Target::Url(target), ..call }
    }

    async fn begin(&self) -> Result<Url, DistributionError> {
        let repository = self.repository;
        let call = repository.call(repository.push_endpoint(), Method::POST, "blobs/uploads/");
        let answer = repository.client.call(call).await?;
        if answer.response.status() != StatusCode::ACCEPTED {
            return Err(repository.refuse(answer).await);
        }
        location(&answer.response, &answer.url)
    }

    async fn finish(&self, session: &Url, payload: Payload) -> Result<Step, DistributionError> {
        let mut url = session.clone();
        url.query_pairs_mut().append_pair("digest", &self.blob.digest.to_string());
        let headers = octets();
        let call = Call { headers, payload, ..self.call(Method::PUT, url) };
        let answer = self.repository.client.call(call).await?;
        if answer.response.status().is_success() {
            return Ok(Step::Finished);
        }
        Err(self.repository.refuse(answer).await)
    }

    async fn send(
        &self,
        session: Url,
        offset: u64,
        length: u64,
    ) -> Result<Step, DistributionError> {
        let mut headers = octets();
        let range = format!("{offset}-{}", offset + length - 1);
        let range = HeaderValue::from_str(&range).expect("digits are a header value");
        headers.insert(header::CONTENT_RANGE, range);
        let payload = self.part(offset, length);
        let call = Call { headers, payload, ..self.call(Method::PATCH, session) };
        let answer = self.repository.client.call(call).await?;
        if !matches!(answer.response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Err(self.repository.refuse(answer).await);
        }
        let session = location(&answer.response, &answer.url)?;
        Ok(Step::Sent { offset: offset + length, session })
    }

    async fn pause(
        &mut self,
        error: DistributionError,
        offset: u64,
    ) -> Result<(), DistributionError> {
        self.failures += 1;
        let config = self.repository.client.config();
        // A registry that lost or cannot resume the session says 404, 400 or 416: begin again.
        let is_lost = matches!(&error, DistributionError::Refused(refusal)
            if refusal.code == "BLOB_UPLOAD_UNKNOWN" || refusal.code == "BLOB_UPLOAD_INVALID"
                || refusal.status == 416);
        if !error.is_transient() && !is_lost {
            return Err(error);
        }
        if self.failures >= config.attempts {
            return Err(DistributionError::Interrupted {
                digest: self.blob.digest.clone(),
                offset,
                source: Box::new(error),
            });
        }
        tracing::debug!(digest = %self.blob.digest, offset, error = %types::error::chain(&error), "resuming an upload");
        let pause: Duration = config.backoff * 2u32.pow((self.failures - 1).min(6));
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Asks how far the session came; forgets it when the registry cannot tell.
    async fn recover(&mut self) -> u64 {
        let Some(session) = self.session.take() else { return 0 };
        let Ok(answer) = self.repository.client.call(self.call(Method::GET, session)).await else {
            return 0;
        };
        if answer.response.status() != StatusCode::NO_CONTENT {
            return 0;
        }
        let range = answer.response.headers().get(header::RANGE);
        let reached = range.and_then(|value| value.to_str().ok()).and_then(end_of_range);
        match (reached, location(&answer.response, &answer.url)) {
            (Some(reached), Ok(next)) if reached <= self.blob.size_bytes => {
                self.session = Some(next);
                reached
            }
            _ => 0,
        }
    }
}

enum Step {
    Finished,
    Sent { offset: u64, session: Url },
}

fn octets() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers
}

/// The number of bytes that `0-N` stands for. `0-0` means none as well as one byte: taken as
/// none, a registry that holds one byte refuses the chunk and the session begins again.
fn end_of_range(text: &str) -> Option<u64> {
    let text = text.trim().trim_start_matches("bytes=");
    let (start, end) = text.split_once('-')?;
    match (start.parse::<u64>().ok()?, end.parse::<u64>().ok()?) {
        (0, 0) => Some(0),
        (0, end) => Some(end + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_sessions() {
        assert_eq!(end_of_range("0-0"), Some(0));
        assert_eq!(end_of_range("0-99"), Some(100));
        assert_eq!(end_of_range("bytes=0-99"), Some(100));
        assert_eq!(end_of_range("5-99"), None);
        assert_eq!(end_of_range("x"), None);
    }
}
