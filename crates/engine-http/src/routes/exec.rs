//! `/containers/{id}/exec` and `/exec`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine_api::exec::{ExecCreateRequest, ExecStartRequest, IdResponse};
use http::StatusCode;

use crate::{
    Answer, ApiError, ApiVersion, answer,
    backend::{ExecBackend, TerminalSize, exec::StartExec},
    body::JsonBody,
    hijack::Hijack,
    parameters::{ObjectName, Parameters},
};

type Backend = State<Arc<dyn ExecBackend>>;

/// The routes of `/exec`.
pub fn router(backend: Arc<dyn ExecBackend>) -> Router {
    Router::new()
        .route("/containers/{id}/exec", post(create))
        .route("/exec/{id}/json", get(inspect))
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .with_state(backend)
}

async fn create(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(container): ObjectName,
    body: JsonBody<ExecCreateRequest>,
) -> Answer<Response> {
    let mut request = body.0.unwrap_or_default();
    if request.cmd.as_ref().is_none_or(Vec::is_empty) {
        return Err(ApiError::invalid("No exec command specified"));
    }
    if version.is_before(42) {
        request.console_size = None;
    }
    let id = backend.create(&container, request).await?;
    answer::document_with(StatusCode::CREATED, &IdResponse { id })
}

async fn inspect(State(backend): Backend, ObjectName(id): ObjectName) -> Answer<Response> {
    answer::document(&backend.inspect(&id).await?)
}

async fn start(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    hijack: Hijack,
    body: JsonBody<ExecStartRequest>,
) -> Answer<Response> {
    let request = body.0.unwrap_or_default();
    let size = request.console_size.filter(|_| request.tty && version.is_at_least(42));
    let options = StartExec {
        tty: request.tty,
        console_size: size.map(|[height, width]| TerminalSize { height, width }),
    };
    if request.detach {
        backend.start_detached(&id, options).await?;
        return Ok(StatusCode::OK.into_response());
    }
    hijack.take(backend.start(&id, options).await?)
}

async fn resize(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<StatusCode> {
    backend.resize(&id, query.terminal_size()?).await?;
    Ok(StatusCode::OK)
}
