//! `/networks`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use engine_api::network::{NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest};
use http::StatusCode;

use crate::{
    Answer, ApiError, ApiVersion, answer,
    backend::{NetworkBackend, network::InspectNetwork},
    body::JsonBody,
    compat,
    parameters::{ObjectName, Parameters},
};

type Backend = State<Arc<dyn NetworkBackend>>;

/// The routes of `/networks`.
pub fn router(backend: Arc<dyn NetworkBackend>) -> Router {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/", get(list))
        .route("/networks/create", post(create))
        .route("/networks/prune", post(prune))
        .route("/networks/{id}", get(inspect).delete(remove))
        .route("/networks/{id}/connect", post(connect))
        .route("/networks/{id}/disconnect", post(disconnect))
        .with_state(backend)
}

async fn list(State(backend): Backend, query: Parameters) -> Answer<Response> {
    answer::document(&backend.list(query.filters()?).await?)
}

async fn create(
    State(backend): Backend,
    version: ApiVersion,
    body: JsonBody<NetworkCreateRequest>,
) -> Answer<Response> {
    let mut request = body.required()?;
    compat::network::lift_create(&mut request, version);
    answer::document_with(StatusCode::CREATED, &backend.create(request).await?)
}

async fn inspect(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    query: Parameters,
) -> Answer<Response> {
    let options = InspectNetwork {
        verbose: strict_flag(query.text("verbose"))?,
        scope: query.given("scope").map(str::to_owned),
    };
    let mut network = backend.inspect(&id, options).await?;
    compat::network::lower_inspect(&mut network, version);
    answer::document(&network)
}

/// This one parameter has the rule of Go's `strconv.ParseBool`.
fn strict_flag(text: &str) -> Answer<bool> {
    match text {
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        other => Err(ApiError::invalid(format!(
            "invalid value for verbose: {other}: strconv.ParseBool: parsing {other:?}: invalid \
             syntax"
        ))),
    }
}

async fn connect(
    State(backend): Backend,
    version: ApiVersion,
    ObjectName(id): ObjectName,
    body: JsonBody<NetworkConnectRequest>,
) -> Answer<StatusCode> {
    let mut request = body.required()?;
    compat::network::lift_connect(&mut request, version);
    backend.connect(&id, request).await?;
    Ok(StatusCode::OK)
}

async fn disconnect(
    State(backend): Backend,
    ObjectName(id): ObjectName,
    body: JsonBody<NetworkDisconnectRequest>,
) -> Answer<StatusCode> {
    backend.disconnect(&id, body.required()?).await?;
    Ok(StatusCode::OK)
}

async fn remove(State(backend): Backend, ObjectName(id): ObjectName) -> Answer<StatusCode> {
    backend.remove(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn prune(State(backend): Backend, query: Parameters) -> Answer<Response> {
    answer::document(&backend.prune(query.filters()?).await?)
}
