//! Request bodies: JSON documents with a bound, registry credentials, and the rest drained.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use base64::{Engine as _, engine::general_purpose};
use bytes::Bytes;
use engine_api::auth::AuthConfig;
use http::{HeaderMap, header};
use http_body::Frame;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::ApiError;

/// The largest JSON document that is read.
pub const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;
/// How much of an unwanted body is read so that the client gets to see the answer.
const MAX_DRAIN_BYTES: usize = 64 * 1024 * 1024;
const MAX_DRAIN_TIME: Duration = Duration::from_secs(10);

/// A JSON document from the body; `None` if the body is empty.
pub struct JsonBody<T>(pub Option<T>);

impl<T> JsonBody<T> {
    /// The document.
    ///
    /// # Errors
    /// 400 if there was none.
    pub fn required(self) -> Result<T, ApiError> {
        self.0.ok_or_else(|| ApiError::invalid("invalid JSON: got EOF while reading request body"))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = read_bounded(request.into_body()).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let content_type = content_type.as_ref().and_then(|v| v.to_str().ok()).unwrap_or("");
        let essence = content_type.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::invalid(if essence.is_empty() {
                "malformed Content-Type header (): mime: no media type".to_owned()
            } else {
                format!(
                    "unsupported Content-Type header ({content_type}): must be 'application/json'"
                )
            }));
        }
        engine_api::from_body(&bytes)
            .map(Self)
            .map_err(|error| ApiError::invalid(error.to_string()))
    }
}

async fn read_bounded(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, MAX_JSON_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError {
            status: http::StatusCode::PAYLOAD_TOO_LARGE,
            message: format!("request body is larger than {MAX_JSON_BYTES} bytes"),
        }),
        Err(error) => Err(ApiError::invalid(format!("cannot read the request body: {error}"))),
    }
}

/// The credentials in `X-Registry-Auth`, tolerant of both base64 alphabets and missing padding.
///
/// Undecodable ones are as good as none, as in Docker.
#[must_use]
pub fn registry_auth(headers: &HeaderMap) -> Option<AuthConfig> {
    let text = headers.get("x-registry-auth")?.to_str().ok()?.trim().trim_end_matches('=');
    let plain = text.replace('-', "+").replace('_', "/");
    let json = general_purpose::STANDARD_NO_PAD.decode(plain).ok()?;
    engine_api::from_slice(&json).ok().filter(|auth| *auth != AuthConfig::default())
}

/// A request's body that is read to its end (within limits) when it is dropped early: clients
/// that are still writing would otherwise fail with a broken pipe and never read the answer.
pub struct DrainedBody {
    body: Option<hyper::body::Incoming>,
    /// A client that waits for `100 Continue` has not sent anything yet.
    is_expected: bool,
}

impl DrainedBody {
    /// Wraps the body of a request with these headers.
    #[must_use]
    pub fn new(body: hyper::body::Incoming, headers: &HeaderMap) -> Self {
        Self { body: Some(body), is_expected: headers.contains_key(header::EXPECT) }
    }
}

impl http_body::Body for DrainedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_expected = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !http_body::Body::is_end_stream(body))
        else {
            return;
        };
        if self.is_expected {
            return;
        }
        // Ends by itself: with the body, the limit, the time, or the connection.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(MAX_DRAIN_TIME, drain(body)));
        }
    }
}

async fn drain(mut body: hyper::body::Incoming) {
    let mut left = MAX_DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_in_both_alphabets_with_and_without_padding() {
        let json = r#"{"username":"u>>","password":"p??"}"#;
        let encodings = [
            general_purpose::STANDARD.encode(json),
            general_purpose::STANDARD_NO_PAD.encode(json),
            general_purpose::URL_SAFE.encode(json),
            general_purpose::URL_SAFE_NO_PAD.encode(json),
        ];
        for text in encodings {
            let mut headers = HeaderMap::new();
            headers.insert("X-Registry-Auth", text.parse().unwrap());
            assert_eq!(registry_auth(&headers).unwrap().password.expose(), "p??", "{text}");
        }
        for none in ["", "e30=", "e30", "!!!", "bnVsbA=="] {
            let mut headers = HeaderMap::new();
            headers.insert("X-Registry-Auth", none.parse().unwrap());
            assert_eq!(registry_auth(&headers), None, "{none}");
        }
    }
}
