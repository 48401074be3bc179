//! Failures of the hub's own resources: a status, and a document in the registry's form, which
//! `docker login` shows to its user.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use hub::HubError;
use serde_json::json;
use types::{Classify, ErrorKind, error::chain};

/// A failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after_seconds: Option<u64>,
}

impl Failure {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after_seconds: None }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        if let HubError::TooManyFailures { retry_after } = &error {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let failure = Self::new(status, "TOOMANYREQUESTS", chain(&error));
            return Self { retry_after_seconds: Some(retry_after.as_secs().max(1)), ..failure };
        }
        let (status, code) = match error.kind() {
            ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
            ErrorKind::PermissionDenied => (StatusCode::FORBIDDEN, "DENIED"),
            ErrorKind::InvalidArgument => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            ErrorKind::Conflict => (StatusCode::CONFLICT, "CONFLICT"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            kind => {
                tracing::error!(error = chain(&error), "hub operation failed");
                let status = match kind {
                    ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                return Self::new(status, "UNKNOWN", "internal error");
            }
        };
        Self::new(status, code, chain(&error))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let document = json!({"errors": [{"code": self.code, "message": self.message}]});
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"gantry-hub\"");
            headers.insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}
