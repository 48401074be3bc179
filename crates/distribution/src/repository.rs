//! One repository: its manifests.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use oci::{
    image::{Index, Platform},
    media_type as media,
};
use types::Reference;

use crate::{
    Client, Credentials, DistributionError, Refusal,
    client::{Answer, Call},
    endpoint::Endpoint,
    exchange::Limit,
    manifest::{RawManifest, raw_manifest},
    payload::Payload,
    platform,
};

const MANIFEST: Limit = Limit { what: "manifest", bytes: 4 * 1024 * 1024 };
pub(crate) const DOCUMENT: Limit = Limit { what: "document", bytes: 8 * 1024 * 1024 };
const ACCEPT: &[&str] =
    &[media::OCI_INDEX, media::OCI_MANIFEST, media::DOCKER_MANIFEST_LIST, media::DOCKER_MANIFEST];

/// What a repository is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading; mirrors are asked first.
    Pull,
    /// Reading and writing; the registry itself only.
    Push,
}

/// One repository with one caller's credentials; cheap to clone.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) client: Client,
    pub(crate) name: Reference,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) scopes: Vec<String>,
}

impl Client {
    /// Opens the repository that `reference` names; its tag and digest do not matter.
    #[must_use]
    pub fn repository(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
        purpose: Purpose,
    ) -> Repository {
        let (endpoints, actions) = match purpose {
            Purpose::Pull => (Endpoint::for_pull(self.config(), reference.domain()), "pull"),
            Purpose::Push => {
                (vec![Endpoint::of_domain(self.config(), reference.domain())], "pull,push")
            }
        };
        let scopes = vec![format!("repository:{}:{actions}", reference.path())];
        Repository { client: self.clone(), name: reference.clone(), credentials, endpoints, scopes }
    }

    /// Reads a successful answer as JSON; another one becomes an error.
    pub(crate) async fn json<T: serde::de::DeserializeOwned>(
        &self,
        answer: Answer,
        what: &'static str,
    ) -> Result<T, DistributionError> {
        if !answer.response.status().is_success() {
            return Err(self.http().refusal(answer.response, &answer.method, &answer.url).await);
        }
        let body = self.http().document(answer.response, &answer.url, DOCUMENT).await?;
        serde_json::from_slice(&body)
            .map_err(|source| DistributionError::Malformed { what, source })
    }
}

impl Repository {
    /// The repository's name; tag and digest are those it was opened with.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.name
    }

    fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.name.path())
    }

    pub(crate) fn call<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        method: Method,
        rest: &str,
    ) -> Call<'a> {
        Call {
            method,
            scopes: &self.scopes,
            credentials: self.credentials.as_ref(),
            ..Call::get(endpoint, self.path(rest))
        }
    }

    /// Sends a call, again after a pause when the failure may pass. For calls that may be
    /// repeated.
    pub(crate) async fn persistent(
        &self,
        endpoint: &Endpoint,
        method: Method,
        rest: &str,
        headers: &HeaderMap,
    ) -> Result<Answer, DistributionError> {
        let config = self.client.config();
        let mut pause = config.backoff;
        for attempt in 1.. {
            let call =
                Call { headers: headers.clone(), ..self.call(endpoint, method.clone(), rest) };
            let error = match self.client.call(call).await {
                Ok(answer) if !is_transient(answer.response.status()) => return Ok(answer),
                Ok(answer) if attempt >= config.attempts => return Ok(answer),
                Ok(answer) => {
                    self.client.http().refusal(answer.response, &answer.method, &answer.url).await
                }
                Err(error) => error,
            };
            // A refused connection does not pass within seconds: say so at once.
            let is_refused = matches!(
                &error,
                DistributionError::Request {
                    source: crate::TransportError::ConnectionRefused { .. },
                    ..
                }
            );
            if attempt >= config.attempts || !error.is_transient() || is_refused {
                return Err(error);
            }
            tracing::debug!(error = %types::error::chain(&error), attempt, "trying a registry call again");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the loop only ends by returning")
    }

    /// Gets the manifest or index that `reference` names (its digest, else its tag, else
    /// `latest`), verified.
    ///
    /// # Errors
    /// [`DistributionError::ManifestUnknown`], [`DistributionError::AccessDenied`],
    /// [`DistributionError::DigestMismatch`], and those of the transport.
    pub async fn resolve(&self, reference: &Reference) -> Result<RawManifest, DistributionError> {
        let mut failure = None;
        for endpoint in &self.endpoints {
            match self.manifest_from(endpoint, reference).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    tracing::debug!(registry = %endpoint.authority, error = %types::error::chain(&error), "no manifest here");
                    failure = Some(error);
                }
            }
        }
        Err(failure.expect("a repository has at least one endpoint"))
    }

    async fn manifest_from(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
    ) -> Result<RawManifest, DistributionError> {
        let named = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or(types::reference::DEFAULT_TAG).to_owned(),
        };
        let mut headers = HeaderMap::new();
        for accepted in ACCEPT {
            headers.append(header::ACCEPT, HeaderValue::from_static(accepted));
        }
        let rest = format!("manifests/{named}");
        let answer = self.persistent(endpoint, Method::GET, &rest, &headers).await?;
        if answer.response.status() != StatusCode::OK {
            return Err(self.refused(answer, reference).await);
        }
        let declared = content_type(&answer);
        let http = self.client.http();
        let bytes = http.document(answer.response, &answer.url, MANIFEST).await?;
        raw_manifest(bytes, &declared, reference)
    }

    /// Docker's texts for what a registry refuses on a pull.
    pub(crate) async fn refused(&self, answer: Answer, reference: &Reference) -> DistributionError {
        let status = answer.response.status();
        let http = self.client.http();
        let refusal = match http.refusal(answer.response, &answer.method, &answer.url).await {
            DistributionError::Refused(refusal) => refusal,
            DistributionError::Status { status: StatusCode::NOT_FOUND, .. } => Refusal {
                status: 404,
                code: "MANIFEST_UNKNOWN".to_owned(),
                message: "manifest unknown".to_owned(),
            },
            other => return other,
        };
        match refusal.code.as_str() {
            "DENIED" | "UNAUTHORIZED" => {
                DistributionError::AccessDenied { name: reference.familiar_name(), refusal }
            }
            "NAME_UNKNOWN" => {
                DistributionError::RepositoryUnknown { name: reference.familiar_name(), refusal }
            }
            "MANIFEST_UNKNOWN" | "NOT_FOUND" if status == StatusCode::NOT_FOUND => {
                DistributionError::ManifestUnknown { reference: reference.familiar(), refusal }
            }
            _ => DistributionError::Refused(refusal),
        }
    }

    /// Gets the image manifest for a platform: `raw` itself, or the entry of the index.
    ///
    /// # Errors
    /// [`DistributionError::NoMatchingPlatform`], and those of [`Repository::resolve`].
    pub async fn image_manifest(
        &self,
        raw: RawManifest,
        platform: &Platform,
    ) -> Result<RawManifest, DistributionError> {
        if media::is_manifest(&raw.descriptor.media_type) {
            return Ok(raw);
        }
        let index: Index = serde_json::from_slice(&raw.bytes)
            .map_err(|source| DistributionError::Malformed { what: "index", source })?;
        let entry = platform::select(&index.manifests, platform).ok_or_else(|| {
            DistributionError::NoMatchingPlatform { platform: platform::format(platform) }
        })?;
        let found = self.resolve(&self.name.with_digest(entry.digest.clone())).await?;
        if media::is_manifest(&found.descriptor.media_type) {
            return Ok(found);
        }
        Err(DistributionError::MediaType {
            media_type: found.descriptor.media_type,
            reference: self.name.familiar(),
        })
    }

    /// Puts a manifest under a tag or its digest; its blobs must be there.
    ///
    /// # Errors
    /// [`DistributionError::Refused`], and those of the transport.
    pub async fn put_manifest(
        &self,
        tag: Option<&str>,
        manifest: &RawManifest,
    ) -> Result<(), DistributionError> {
        let endpoint = self.endpoints.last().expect("a repository has at least one endpoint");
        let digest = manifest.descriptor.digest.to_string();
        let rest = format!("manifests/{}", tag.unwrap_or(&digest));
        let media_type = HeaderValue::from_str(&manifest.descriptor.media_type).map_err(|_| {
            DistributionError::MediaType {
                media_type: manifest.descriptor.media_type.clone(),
                reference: self.name.familiar(),
            }
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type);
        let call = Call {
            headers,
            payload: Payload::Bytes(manifest.bytes.clone()),
            ..self.call(endpoint, Method::PUT, &rest)
        };
        let answer = self.client.call(call).await?;
        if answer.response.status().is_success() {
            return Ok(());
        }
        Err(self.client.http().refusal(answer.response, &answer.method, &answer.url).await)
    }
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

fn content_type(answer: &Answer) -> String {
    let value = answer.response.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    text.split(';').next().unwrap_or("").trim().to_owned()
}
