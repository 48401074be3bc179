//! The service behind every connection: version prefix, fixed headers, request span, panics.

use std::{any::Any, panic::AssertUnwindSafe, sync::OnceLock};

use axum::{Router, body::Body, response::IntoResponse};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, uri::PathAndQuery};
use tower::ServiceExt;
use tracing::Instrument;
use types::ErrorKind;

use crate::{ApiError, ApiVersion, hijack};

/// The Engine API over a router.
#[derive(Clone)]
pub struct Api {
    router: Router,
}

fn server() -> String {
    format!("Gantry/{} (linux)", env!("CARGO_PKG_VERSION"))
}

/// The headers of every answer.
fn headers() -> &'static HeaderMap {
    static HEADERS: OnceLock<HeaderMap> = OnceLock::new();
    HEADERS.get_or_init(|| {
        let version = ApiVersion::NEWEST.to_string();
        let fixed = [
            ("api-version", version),
            ("docker-experimental", "false".to_owned()),
            ("ostype", "linux".to_owned()),
            ("server", server()),
        ];
        fixed
            .into_iter()
            .map(|(name, value)| {
                let value = HeaderValue::try_from(value).expect("versions are visible ASCII");
                (HeaderName::from_static(name), value)
            })
            .collect()
    })
}

/// The same headers for heads that are written by hand.
pub(crate) fn headers_as_text() -> String {
    format!(
        "Api-Version: {}\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: {}\r\n",
        ApiVersion::NEWEST,
        server()
    )
}

impl Api {
    /// Serves these routes (see [`crate::routes::router`]).
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self { router }
    }

    /// Answers one request.
    ///
    /// A request that changes something runs to its end even if the returned future is dropped,
    /// because the client went away: half a removal helps nobody. Reading ones stop.
    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let span = tracing::info_span!(
            "request",
            http.method = %request.method(),
            http.path = request.uri().path(),
            http.status = tracing::field::Empty,
        );
        let is_reading = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let answering = self.clone().route(request).instrument(span.clone());
        let mut response = if is_reading {
            answering.await
        } else {
            tokio::spawn(answering).await.unwrap_or_else(|error| {
                tracing::error!(%error, "a request's task ended early");
                ApiError::new(ErrorKind::Cancelled, "the engine is stopping").into_response()
            })
        };
        span.record("http.status", response.status().as_u16());
        tracing::debug!(parent: &span, status = response.status().as_u16(), "answered");
        if response.extensions().get::<hijack::Taken>().is_some() {
            // The connection's task has the connection and drops this future with it.
            return std::future::pending().await;
        }
        response.headers_mut().extend(headers().clone());
        response
    }

    async fn route(self, mut request: Request<Body>) -> Response<Body> {
        let version = match take_version(request.uri_mut()) {
            Ok(version) => version,
            Err(error) => return error.into_response(),
        };
        if request.method() == Method::OPTIONS {
            return http::StatusCode::OK.into_response();
        }
        request.extensions_mut().insert(version);
        match AssertUnwindSafe(self.router.oneshot(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Err(panic) => panicked(panic.as_ref()),
        }
    }
}

/// Takes `/v1.NN` off a path; a path without it means the newest version.
fn take_version(uri: &mut Uri) -> Result<ApiVersion, ApiError> {
    let path = uri.path();
    let Some((version, rest)) = versioned(path) else { return Ok(ApiVersion::NEWEST) };
    let version: ApiVersion = version.parse().map_err(|_| ApiError::not_found("page not found"))?;
    if version < ApiVersion::OLDEST {
        return Err(ApiError::invalid(format!(
            "client version {version} is too old. Minimum supported API version is {}, please \
             upgrade your client to a newer version",
            ApiVersion::OLDEST
        )));
    }
    if version > ApiVersion::NEWEST {
        return Err(ApiError::invalid(format!(
            "client version {version} is too new. Maximum supported API version is {}",
            ApiVersion::NEWEST
        )));
    }
    let target = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let target = PathAndQuery::try_from(target)
        .map_err(|error| ApiError::invalid(format!("invalid path: {error}")))?;
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(target);
    *uri = Uri::from_parts(parts)
        .map_err(|error| ApiError::invalid(format!("invalid path: {error}")))?;
    Ok(version)
}

/// Splits `/v1.41/rest`; `/volumes` and `/version` begin with a `v` too.
fn versioned(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v")?;
    let end = rest.find('/')?;
    let version = &rest[..end];
    let is_version =
        version.contains('.') && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_version.then(|| (version, &rest[end..]))
}

fn panicked(panic: &(dyn Any + Send)) -> Response<Body> {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    ApiError::new(ErrorKind::Internal, format!("the request's handler panicked: {text}"))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_taken_off_paths_and_other_paths_stay() {
        let take = |text: &str| {
            let mut uri: Uri = text.parse().unwrap();
            take_version(&mut uri).map(|version| (version.to_string(), uri.to_string()))
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(take("/v1.41/info?a=b").unwrap(), pair("1.41", "/info?a=b"));
        assert_eq!(take("/volumes/v1").unwrap(), pair("1.55", "/volumes/v1"));
        assert_eq!(take("/version").unwrap(), pair("1.55", "/version"));
        assert_eq!(
            take("/v1.23/info").unwrap_err().message,
            "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade \
             your client to a newer version"
        );
        assert_eq!(
            take("/v1.99/info").unwrap_err().message,
            "client version 1.99 is too new. Maximum supported API version is 1.55"
        );
        assert_eq!(take("/v1.2.3/info").unwrap_err().status.as_u16(), 404);
    }
}
