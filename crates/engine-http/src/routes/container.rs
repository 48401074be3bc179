//! `/containers`: life cycle, inspection, lists. Streams are in [`streams`], archives in
//! [`archive`].

mod archive;
mod streams;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use engine_api::container::{ContainerCreateRequest, ContainerUpdateRequest};
use http::{HeaderMap, StatusCode, header};

use crate::{
    Answer, ApiError, ApiVersion, answer,
    backend::{
        ContainerBackend,
        container::{
            CreateContainer, ListContainers, RemoveContainer, SizeWanted, StartContainer,
            StopContainer,
        },
    },
    body::JsonBody,
    compat,
    parameters::{ObjectName, Parameters},
};

pub(super) type Backend = State<Arc<dyn ContainerBackend>>;

/// The routes of `/containers`.
pub fn router(backend: Arc<dyn ContainerBackend>) -> Router {
    Router::new()
        .route("/containers/json", get(list))
        .route("/containers/create", post(create))
        .route("/containers/prune", post(prune))
        .route("/containers/{id}", delete(remove))
        .route("/containers/{id}/json", get(inspect))
        // The name that a link gives: `PARENT/ALIAS`.
        .route("/containers/{id}/{alias}", delete(remove))
        .route("/containers/{id}/{alias}/json", get(inspect))
        .route("/containers/{id}/top", get(top))
        .route("/containers/{id}/changes", get(changes))
        .route("/containers/{id}/start", post(start))
        .route("/containers/{id}/stop", post(stop))
        .route("/containers/{id}/restart", post(restart))
        .route("/containers/{id}/kill", post(kill))
        .route("/containers/{id}/update", post(update))
        .route("/containers/{id}/rename", post(rename))
        .route("/containers/{id}/pause", post(pause))
        .route("/containers/{id}/unpause", post(unpause))
        .route("/containers/{id}/resize", post(resize))
        .merge(streams::router())
        .merge(archive::router())
        .with_state(backend)
}

async fn list(State(backend): Backend, version: ApiVersion, query: Parameters) -> Answer<Response> {
    let limit = query.number::<i64>("limit")?.filter(|limit| *limit > 0);
    let mut containers = backend
        .list(ListContainers {
            all: query.flag("all"),
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            size: query.flag("size"),
            filters: query.filters()?,
        })
        .await?;
    compat::container::lower_list(&mut containers, version);
    answer::document(&containers)
}

async fn create(
    State(backend): Backend,
    version: ApiVersion,
    query: Parameters,
    body: JsonBody<ContainerCreateRequest>,
) -> Answer<Response> {
    // This one route has a decoder of its own in Docker, with its own words for "nothing".
    let mut request = body.0.ok_or_else(|| ApiError::invalid("invalid JSON: EOF"))?;
    let warnings = compat::container::lift_create(&mut request, version)?;
    let platform = if version.is_at_least(41) { query.platform_path("platform")? } else { None };
    let name = query.given("name").map(|name| name.trim_start_matches('/').to_owned());
    let mut created = backend.create(CreateContainer { name, platform, request, version }).await?;
    created.warnings.splice(0..0, warnings);
    answer::document_with(StatusCode::CREATED, &created)
}

async fn prune(State(backend): Backend, query: Parameters) -> Answer<Response> {
    answer::document(&backend.prune(query.filters()?).await?)
}

async fn remove(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<StatusCode> {
    let options = RemoveContainer {
        volumes: query.flag("v"),
        force: query.flag("force"),
        link: query.flag("link"),
    };
    backend.remove(&id, options).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn inspect(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    let size = if query.flag("size") { SizeWanted::Yes } else { SizeWanted::No };
    let container = backend.inspect(&id, size).await?;
    answer::document(&compat::container::lower_inspect(container, version)?)
}

async fn top(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    answer::document(&backend.top(&id, query.given("ps_args").unwrap_or("-ef")).await?)
}

async fn changes(State(backend): Backend, ObjectName(id): ObjectName) -> Answer<Response> {
    answer::document(&backend.changes(&id).await?)
}

async fn start(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    // "{}" and "null" pass: some clients always send a document.
    if length.unwrap_or(0u64) > 7 || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(ApiError::invalid(
            "starting container with non-empty request body was deprecated since API v1.22 and \
             removed in v1.24",
        ));
    }
    let checkpoint = query.given("checkpoint").map(str::to_owned);
    backend.start(&id, StartContainer { checkpoint }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn stop_options(query: &Parameters, version: ApiVersion) -> Answer<StopContainer> {
    let signal = if version.is_at_least(42) { query.signal("signal")? } else { None };
    Ok(StopContainer { signal, timeout: query.number("t")? })
}

async fn stop(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<StatusCode> {
    backend.stop(&id, stop_options(&query, version)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restart(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<StatusCode> {
    backend.restart(&id, stop_options(&query, version)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn kill(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<StatusCode> {
    let context = format!("cannot kill container: {id}");
    let signal = query.signal("signal").map_err(|error| error.within(&context))?;
    backend.kill(&id, signal).await.map_err(|error| error.within(&context))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn update(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    body: JsonBody<ContainerUpdateRequest>,
) -> Answer<Response> {
    let mut request = body.0.unwrap_or_default();
    compat::container::lift_update(&mut request, version);
    answer::document(&backend.update(&id, request).await?)
}

async fn rename(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<StatusCode> {
    let name = query.given("name").map(|name| name.trim_start_matches('/'));
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::invalid("Neither old nor new names may be empty"))?;
    backend.rename(&id, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn pause(State(backend): Backend, ObjectName(id): ObjectName) -> Answer<StatusCode> {
    backend.pause(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unpause(State(backend): Backend, ObjectName(id): ObjectName) -> Answer<StatusCode> {
    backend.unpause(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn resize(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    backend.resize(&id, query.terminal_size()?).await?;
    Ok(StatusCode::OK.into_response())
}
