//! `/volumes`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use engine_api::volume::VolumeCreateRequest;
use http::StatusCode;

use crate::{
    Answer, ApiError, ApiVersion, answer,
    backend::{VolumeBackend, volume::Force},
    body::JsonBody,
    parameters::{ObjectName, Parameters},
};

type Backend = State<Arc<dyn VolumeBackend>>;

/// The routes of `/volumes`.
pub fn router(backend: Arc<dyn VolumeBackend>) -> Router {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(inspect).delete(remove).put(update))
        .with_state(backend)
}

async fn list(State(backend): Backend, query: Parameters) -> Answer<Response> {
    let filters = query.filters().map_err(|error| error.within("error reading volume filters"))?;
    answer::document(&backend.list(filters).await?)
}

async fn create(State(backend): Backend, body: JsonBody<VolumeCreateRequest>) -> Answer<Response> {
    let request = body.0.unwrap_or_default();
    if request.cluster_volume_spec.is_some() {
        return Err(super::unbuilt::not_a_manager());
    }
    answer::document_with(StatusCode::CREATED, &backend.create(request).await?)
}

async fn inspect(State(backend): Backend, ObjectName(name): ObjectName) -> Answer<Response> {
    answer::document(&backend.inspect(&name).await?)
}

async fn remove(
    State(backend): Backend,
    ObjectName(name): ObjectName,
    query: Parameters,
) -> Answer<StatusCode> {
    let force = if query.flag("force") { Force::Yes } else { Force::No };
    backend.remove(&name, force).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn update() -> ApiError {
    ApiError::new(
        types::ErrorKind::Unavailable,
        "volume update only valid for cluster volumes, but swarm is unavailable",
    )
}

async fn prune(
    State(backend): Backend,
    version: ApiVersion,
    query: Parameters,
) -> Answer<Response> {
    let mut filters = query.filters()?;
    // Only anonymous volumes go since 1.42; older clients expect all of them to.
    if version.is_before(42) {
        filters.add("all", "true");
    }
    answer::document(&backend.prune(filters).await?)
}
