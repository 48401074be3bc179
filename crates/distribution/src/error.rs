//! What a registry call can end in, in the words that Docker's users know.

use types::{Classify, Digest, ErrorKind};

/// What a registry said when it refused: the first entry of its error document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// A code of the specification, e.g. `MANIFEST_UNKNOWN`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.to_lowercase().replace('_', " "), self.message)
    }
}

/// Why bytes did not get there or back.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No address for the host.
    #[error("dial tcp: lookup {host}: no such host")]
    Lookup {
        /// Name.
        host: String,
    },
    /// Nobody listens there.
    #[error("dial tcp {address}: connect: connection refused")]
    ConnectionRefused {
        /// Host and port.
        address: String,
    },
    /// Any other failure to connect.
    #[error("dial tcp {address}")]
    Dial {
        /// Host and port.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The peer does not speak TLS.
    #[error("http: server gave HTTP response to HTTPS client")]
    NotTls,
    /// The TLS handshake failed.
    #[error("tls: failed to verify certificate or to agree with {host}")]
    Tls {
        /// Host.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates configured for a host do not load.
    #[error("cannot load certificates of {host}")]
    Certificates {
        /// Host.
        host: String,
        /// Which, and why.
        source: std::sync::Arc<tls::TlsError>,
    },
    /// The directory of a host's certificates does not read.
    #[error("cannot read certificates of {host} in {path}")]
    CertificateDirectory {
        /// Host.
        host: String,
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The proxy said no.
    #[error("proxy refused the tunnel to {address}: {answer}")]
    Proxy {
        /// Host and port.
        address: String,
        /// Its status line.
        answer: String,
    },
    /// A deadline passed.
    #[error("net/http: request canceled while waiting for {what} (timeout exceeded)")]
    Timeout {
        /// For what.
        what: &'static str,
    },
    /// HTTP itself failed.
    #[error("http exchange failed")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a registry call failed.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// The request got no answer.
    #[error("{method} \"{url}\"")]
    Request {
        /// As Go writes it: `Get`, `Head`.
        method: &'static str,
        /// Without query secrets.
        url: String,
        /// Why.
        source: TransportError,
    },
    /// The registry refused, with an error document.
    #[error("{0}")]
    Refused(Refusal),
    /// The repository is not there, or not for this caller.
    #[error(
        "pull access denied for {name}, repository does not exist or may require 'docker login': {refusal}"
    )]
    AccessDenied {
        /// Familiar name.
        name: String,
        /// What the registry said.
        refusal: Refusal,
    },
    /// The tag or digest is not there.
    #[error("manifest for {reference} not found: {refusal}")]
    ManifestUnknown {
        /// Familiar reference.
        reference: String,
        /// What the registry said.
        refusal: Refusal,
    },
    /// The repository is not there.
    #[error("repository {name} not found: {refusal}")]
    RepositoryUnknown {
        /// Familiar name.
        name: String,
        /// What the registry said.
        refusal: Refusal,
    },
    /// The registry wants a login and none was given.
    #[error("{method} \"{url}\": no basic auth credentials")]
    NoCredentials {
        /// As Go writes it.
        method: &'static str,
        /// Which.
        url: String,
    },
    /// The credentials were not accepted.
    #[error("{method} \"{url}\": unauthorized: {message}")]
    Unauthorized {
        /// As Go writes it.
        method: &'static str,
        /// Which.
        url: String,
        /// What the registry said.
        message: String,
    },
    /// A login check ended in an unexpected status.
    #[error("login attempt to {url} failed with status: {status}")]
    LoginFailed {
        /// Which.
        url: String,
        /// Code and phrase.
        status: http::StatusCode,
    },
    /// An answer without an error document.
    #[error("unexpected status from {method} request to {url}: {status}")]
    Status {
        /// HTTP method.
        method: String,
        /// Which.
        url: String,
        /// Code and phrase.
        status: http::StatusCode,
    },
    /// The challenge of a 401 cannot be met.
    #[error("registry {url} asks for authentication that is not supported: {challenge:?}")]
    Challenge {
        /// Which.
        url: String,
        /// Its header.
        challenge: String,
    },
    /// Credentials would travel in the clear.
    #[error("refusing to send credentials to {realm} over plain HTTP")]
    PlainRealm {
        /// Token server.
        realm: String,
    },
    /// Bytes have another digest than asked for.
    #[error("digest mismatch: expected {expected}, got {actual}")]
    DigestMismatch {
        /// Asked for.
        expected: Digest,
        /// Received.
        actual: Digest,
    },
    /// A document exceeds its limit.
    #[error("{what} exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Noun.
        what: &'static str,
        /// Bytes.
        limit: usize,
    },
    /// A document does not parse.
    #[error("registry sent a malformed {what}")]
    Malformed {
        /// Noun.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A header is missing or wrong.
    #[error("registry sent a bad {header} header: {value:?}")]
    Header {
        /// Its name.
        header: &'static str,
        /// Its value.
        value: String,
    },
    /// A manifest of a kind that is not supported.
    #[error("unsupported manifest media type {media_type:?} for {reference}")]
    MediaType {
        /// What came.
        media_type: String,
        /// Familiar reference.
        reference: String,
    },
    /// No entry of the index fits.
    #[error("no matching manifest for {platform} in the manifest list entries")]
    NoMatchingPlatform {
        /// `os/arch[/variant]`.
        platform: String,
    },
    /// A transfer broke off more often than it is resumed.
    #[error("transfer of {digest} broke off at byte {offset}")]
    Interrupted {
        /// Which blob.
        digest: Digest,
        /// How far it came.
        offset: u64,
        /// The last failure.
        source: Box<DistributionError>,
    },
    /// The blob's length is not that of its descriptor.
    #[error("blob {digest} has {actual} bytes, its descriptor says {expected}")]
    Length {
        /// Which blob.
        digest: Digest,
        /// By descriptor.
        expected: u64,
        /// Received.
        actual: u64,
    },
    /// The local file to upload does not read.
    #[error("cannot read {digest} for upload")]
    Source {
        /// Which blob.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
    /// A URL cannot be built of what was given.
    #[error("invalid registry address {0:?}")]
    Address(String),
}

impl Classify for DistributionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::AccessDenied { .. }
            | Self::ManifestUnknown { .. }
            | Self::RepositoryUnknown { .. }
            | Self::NoMatchingPlatform { .. } => ErrorKind::NotFound,
            Self::Unauthorized { .. } | Self::LoginFailed { .. } => ErrorKind::Unauthenticated,
            Self::Refused(refusal) => refusal_kind(refusal),
            Self::Address(_) => ErrorKind::InvalidArgument,
            Self::DigestMismatch { .. } | Self::Length { .. } => ErrorKind::DataLoss,
            Self::Interrupted { source, .. } => source.kind(),
            // Docker answers 500 to the rest: its clients show the text.
            _ => ErrorKind::Internal,
        }
    }
}

fn refusal_kind(refusal: &Refusal) -> ErrorKind {
    match refusal.status {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        429 | 503 => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

impl DistributionError {
    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Request { source, .. } => matches!(
                source,
                TransportError::Dial { .. }
                    | TransportError::Timeout { .. }
                    | TransportError::Http(_)
                    | TransportError::ConnectionRefused { .. }
            ),
            Self::Status { status, .. } => status.is_server_error() || status.as_u16() == 429,
            Self::Refused(refusal) => refusal.status >= 500 || refusal.status == 429,
            Self::Length { .. } => true,
            _ => false,
        }
    }
}
