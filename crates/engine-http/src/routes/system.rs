//! `/_ping`, `/version`, `/info`, `/auth`, `/system/df`, `/events`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine_api::auth::AuthConfig;
use futures_util::{StreamExt, future};
use http::{HeaderMap, HeaderValue, Method, header};

use crate::{
    Answer, ApiError, ApiVersion, answer,
    backend::{
        SystemBackend,
        system::{DiskUsageQuery, EventQuery},
    },
    body::JsonBody,
    compat::{self, system::DiskUsageForm},
    parameters::Parameters,
};

type Backend = State<Arc<dyn SystemBackend>>;

/// The builder that clients should use: 1 is the classic one; BuildKit is not built.
const BUILDER_VERSION: &str = "1";

/// The routes of the engine itself.
pub fn router(backend: Arc<dyn SystemBackend>) -> Router {
    Router::new()
        .route("/_ping", get(ping).head(ping))
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/auth", post(auth))
        .route("/system/df", get(disk_usage))
        .route("/events", get(events))
        .with_state(backend)
}

async fn ping(State(backend): Backend, method: Method) -> Answer<Response> {
    backend.ping().await?;
    let headers = [
        (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (header::PRAGMA, "no-cache"),
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    ];
    let docker = [("builder-version", BUILDER_VERSION), ("swarm", "inactive")];
    let body = if method == Method::HEAD { "" } else { "OK" };
    Ok((headers, docker, body).into_response())
}

async fn version(State(backend): Backend) -> Answer<Response> {
    answer::document(&backend.version().await?)
}

async fn info(State(backend): Backend, version: ApiVersion) -> Answer<Response> {
    answer::document(&compat::system::lower_info(backend.info().await?, version)?)
}

async fn auth(State(backend): Backend, body: JsonBody<AuthConfig>) -> Answer<Response> {
    answer::document(&backend.auth(body.required()?).await?)
}

async fn disk_usage(
    State(backend): Backend,
    version: ApiVersion,
    query: Parameters,
) -> Answer<Response> {
    let form = DiskUsageForm::of(version, query.flag("verbose"));
    let types = if version.is_at_least(42) { query.all("type") } else { Vec::new() };
    let known = ["container", "image", "volume", "build-cache"];
    if let Some(unknown) = types.iter().find(|kind| !known.contains(&kind.as_str())) {
        return Err(ApiError::invalid(format!("unknown object type: {unknown}")));
    }
    let wants = |kind: &str| types.is_empty() || types.iter().any(|wanted| wanted == kind);
    let usage = backend
        .disk_usage(DiskUsageQuery {
            containers: wants("container"),
            images: wants("image"),
            volumes: wants("volume"),
            build_cache: wants("build-cache"),
            verbose: version.is_before(52) || form == DiskUsageForm::Both || query.flag("verbose"),
        })
        .await?;
    answer::document(&compat::system::lower_disk_usage(usage, form, version))
}

async fn events(
    State(backend): Backend,
    version: ApiVersion,
    query: Parameters,
    headers: HeaderMap,
) -> Answer<Response> {
    let (since, until) = (query.timestamp("since")?, query.timestamp("until")?);
    if let (Some(from), Some(to)) = (since, until)
        && to < from
    {
        return Err(ApiError::invalid(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            query.text("since"),
            query.text("until")
        )));
    }
    let filters = query.filters()?;
    let events = backend.events(EventQuery { since, until, filters }).await?;
    let lowered = events
        .filter_map(move |event| future::ready(compat::system::lower_event(event, version)))
        .map(Ok);
    Ok(answer::json_lines(event_type(version, &headers), lowered))
}

/// JSON lines have had a type of their own since 1.52; clients may ask for one before.
fn event_type(version: ApiVersion, headers: &HeaderMap) -> HeaderValue {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let accepts = |kind: &str| accept.split([',', ';']).any(|part| part.trim() == kind);
    HeaderValue::from_static(if accepts("application/x-ndjson") {
        "application/x-ndjson"
    } else if version.is_at_least(52) || accepts("application/jsonl") {
        "application/jsonl"
    } else {
        "application/json"
    })
}
