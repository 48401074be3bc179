//! A blob on its way here: resumed where it broke off, from another mirror if need be.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Incoming;
use oci::image::Descriptor;

use crate::{
    DistributionError, Repository, TransportError,
    exchange::{go_method, shown},
};

/// The bytes of one blob, from an offset to the end its descriptor gives.
///
/// The caller verifies the digest: it sees all bytes, also those of an earlier run.
pub struct Download {
    repository: Repository,
    blob: Descriptor,
    endpoint: usize,
    offset: u64,
    /// Bytes to drop because the registry ignored the range.
    skip: u64,
    body: Option<(Incoming, String)>,
    failures: u32,
}

impl Repository {
    /// Starts reading a blob at `offset`. No request is made before the first
    /// [`Download::next`].
    #[must_use]
    pub fn download(&self, blob: &Descriptor, offset: u64) -> Download {
        Download {
            repository: self.clone(),
            blob: blob.clone(),
            endpoint: 0,
            offset,
            skip: 0,
            body: None,
            failures: 0,
        }
    }

    /// Gets a small blob whole, verified.
    ///
    /// # Errors
    /// [`DistributionError::TooLarge`], [`DistributionError::DigestMismatch`], and those of
    /// [`Download::next`].
    pub async fn blob(&self, blob: &Descriptor, limit: usize) -> Result<Bytes, DistributionError> {
        if blob.size > limit as u64 {
            return Err(DistributionError::TooLarge { what: "blob", limit });
        }
        let mut download = self.download(blob, 0);
        let mut all = Vec::new();
        while let Some(piece) = download.next().await? {
            all.extend_from_slice(&piece);
        }
        let actual = crate::manifest::digest_like(blob.digest.algorithm(), &all);
        if actual != blob.digest {
            return Err(DistributionError::DigestMismatch {
                expected: blob.digest.clone(),
                actual,
            });
        }
        Ok(all.into())
    }
}

impl Download {
    /// How far the blob has come.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes; `None` when the blob is complete. Breaks are mended inside.
    ///
    /// # Errors
    /// [`DistributionError::Interrupted`] when the transfer broke off too often without progress,
    /// [`DistributionError::Length`] when there are more bytes than the descriptor says.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DistributionError> {
        loop {
            if self.offset == self.blob.size && self.skip == 0 {
                self.body = None;
                return Ok(None);
            }
            match self.piece().await {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(error) => self.mend(error).await?,
            }
        }
    }

    async fn piece(&mut self) -> Result<Bytes, DistributionError> {
        if self.body.is_none() {
            self.open().await?;
        }
        let Some((body, url)) = &mut self.body else { unreachable!("open sets the body or fails") };
        let failed = |source| DistributionError::Request {
            method: go_method(&Method::GET),
            url: url.clone(),
            source,
        };
        let piece = self.repository.client.http().piece(body).await.map_err(failed)?;
        let Some(mut piece) = piece else {
            return Err(failed(TransportError::Http("unexpected EOF".into())));
        };
        let dropped = self.skip.min(piece.len() as u64);
        self.skip -= dropped;
        piece = piece.slice(dropped as usize..);
        if self.offset + piece.len() as u64 > self.blob.size {
            return Err(self.length_error(self.offset + piece.len() as u64));
        }
        self.offset += piece.len() as u64;
        if !piece.is_empty() {
            self.failures = 0;
        }
        Ok(piece)
    }

    fn length_error(&self, actual: u64) -> DistributionError {
        DistributionError::Length {
            digest: self.blob.digest.clone(),
            expected: self.blob.size,
            actual,
        }
    }

    async fn open(&mut self) -> Result<(), DistributionError> {
        let endpoint = &self.repository.endpoints[self.endpoint];
        let mut headers = HeaderMap::new();
        // Compression on top would be undone by nobody here.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.offset))
                .expect("digits are a header value");
            headers.insert(header::RANGE, range);
        }
        let rest = format!("blobs/{}", self.blob.digest);
        let mut call = self.repository.call(endpoint, Method::GET, &rest);
        call.headers = headers;
        let answer = self.repository.client.call(call).await?;
        match answer.response.status() {
            StatusCode::OK => self.skip = self.offset,
            StatusCode::PARTIAL_CONTENT => {
                check_range(&answer.response, self.offset)?;
                self.skip = 0;
            }
            _ => {
                let name = self.repository.name.clone();
                return Err(self.repository.refused(answer, &name).await);
            }
        }
        self.body = Some((answer.response.into_body(), shown(&answer.url)));
        Ok(())
    }

    /// After a failure: waits and lets the loop reopen, or moves on to the next endpoint, or
    /// gives up.
    async fn mend(&mut self, error: DistributionError) -> Result<(), DistributionError> {
        self.body = None;
        self.skip = 0;
        self.failures += 1;
        let config = self.repository.client.config();
        let is_last = self.endpoint + 1 >= self.repository.endpoints.len();
        if error.is_transient() && self.failures < config.attempts {
            tracing::debug!(digest = %self.blob.digest, offset = self.offset, error = %types::error::chain(&error), "resuming a download");
            tokio::time::sleep(config.backoff * 2u32.pow((self.failures - 1).min(6))).await;
            return Ok(());
        }
        if !is_last {
            self.endpoint += 1;
            self.failures = 0;
            return Ok(());
        }
        if error.is_transient() {
            return Err(DistributionError::Interrupted {
                digest: self.blob.digest.clone(),
                offset: self.offset,
                source: Box::new(error),
            });
        }
        Err(error)
    }
}

fn check_range<B>(answer: &http::Response<B>, offset: u64) -> Result<(), DistributionError> {
    let value = answer.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let text = value.unwrap_or("");
    let start = text.strip_prefix("bytes ").and_then(|rest| rest.split('-').next());
    if start.and_then(|start| start.parse::<u64>().ok()) == Some(offset) {
        return Ok(());
    }
    Err(DistributionError::Header { header: "Content-Range", value: text.to_owned() })
}
