//! Failures as the specification writes them: a status and a document of error codes.
//!
//! The one place where a registry error becomes an OCI error code.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::distribution::{ErrorDocument, ErrorInfo};
use registry::{CatalogError, RegistryError};
use types::{Classify, ErrorKind, error::chain};

use crate::guard::Refusal;

/// An error code with its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobInUse,
    UploadInvalid,
    UploadUnknown,
    UploadOutOfOrder,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    ManifestInUse,
    NameInvalid,
    NameUnknown,
    TagInvalid,
    SizeInvalid,
    TooLarge,
    RangeInvalid,
    PageInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    NotFound,
    Unavailable,
    Unknown,
}

impl Code {
    fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::BlobUnknown => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            Self::BlobInUse | Self::ManifestInUse => (StatusCode::CONFLICT, "DENIED"),
            Self::UploadInvalid => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Self::UploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            Self::UploadOutOfOrder => (StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
            Self::DigestInvalid => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            Self::ManifestBlobUnknown => (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
            Self::ManifestInvalid => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            Self::ManifestTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID"),
            Self::ManifestUnknown => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            Self::NameInvalid => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
            Self::NameUnknown => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            Self::TagInvalid => (StatusCode::BAD_REQUEST, "TAG_INVALID"),
            Self::SizeInvalid => (StatusCode::BAD_REQUEST, "SIZE_INVALID"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            Self::RangeInvalid => (StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID"),
            Self::PageInvalid => (StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
            Self::Denied => (StatusCode::FORBIDDEN, "DENIED"),
            Self::Unsupported => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
            Self::Unknown => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        }
    }
}

/// A failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), headers: Vec::new() }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let code = match &error {
            RegistryError::RepositoryUnknown { .. } => Code::NameUnknown,
            RegistryError::BlobUnknown { .. } => Code::BlobUnknown,
            RegistryError::BlobInUse { .. } => Code::BlobInUse,
            RegistryError::UploadUnknown { .. } => Code::UploadUnknown,
            RegistryError::ChunkOutOfOrder { .. } => Code::UploadOutOfOrder,
            RegistryError::BlobTooLarge { .. } => Code::TooLarge,
            RegistryError::ManifestUnknown { .. } => Code::ManifestUnknown,
            RegistryError::ManifestInUse { .. } => Code::ManifestInUse,
            RegistryError::ManifestBlobUnknown { .. }
            | RegistryError::ManifestChildUnknown { .. } => Code::ManifestBlobUnknown,
            RegistryError::DigestMismatch { .. } => Code::DigestInvalid,
            RegistryError::ManifestInvalid(_) => Code::ManifestInvalid,
            RegistryError::BlobBeingCollected { .. }
            | RegistryError::Random
            | RegistryError::Blobs(_)
            | RegistryError::Catalog(_) => return Self::internal(error.kind(), &error),
        };
        Self::new(code, chain(&error))
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        Self::internal(error.kind(), &error)
    }
}

impl Failure {
    /// A failure of ours: the log has the details, the client does not.
    fn internal(kind: ErrorKind, error: &dyn std::error::Error) -> Self {
        tracing::error!(error = chain(error), "registry operation failed");
        match kind {
            ErrorKind::Conflict => {
                Self::new(Code::UploadInvalid, "another request is writing this upload")
            }
            ErrorKind::Unavailable => Self::new(Code::Unavailable, "temporarily unavailable")
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("5")),
            _ => Self::new(Code::Unknown, "internal error"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Challenge(challenge) => {
                Self::new(Code::Unauthorized, "authentication required")
                    .with_header(header::WWW_AUTHENTICATE, challenge)
            }
            Refusal::Denied => {
                Self::new(Code::Denied, "requested access to the resource is denied")
            }
            Refusal::TooMany(wait) => {
                Self::new(Code::TooManyRequests, "too many failed logins, try again later")
                    .with_header(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)))
            }
            Refusal::Failed => Self::new(Code::Unknown, "internal error"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code) = self.code.parts();
        let document = ErrorDocument {
            errors: vec![ErrorInfo {
                code: code.into(),
                message: self.message,
                detail: serde_json::Value::Null,
            }],
        };
        let body = serde_json::to_vec(&document).expect("an error document is plain strings");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().extend(self.headers);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

/// Makes a header value of text that has none but visible ASCII characters by construction.
pub(crate) fn value(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref())
        .expect("names, digests and encoded queries are visible ASCII")
}

pub(crate) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
