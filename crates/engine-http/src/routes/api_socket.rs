//! `/gantry/api-sockets`: Gantry's own, on the engine's own sockets only.

use std::sync::Arc;

use axum::{Router, extract::State, response::Response, routing::get};
use engine_api::api_socket::ApiSocketCreateRequest;
use http::StatusCode;
use serde_json::Value;

use crate::{
    Answer, ApiError, answer, backend::ApiSocketBackend, body::JsonBody, parameters::ObjectName,
};

type Backend = State<Arc<dyn ApiSocketBackend>>;

const KEYS: [&str; 7] = ["name", "allow", "filters", "redact", "path", "group", "mode"];

/// The routes of scoped sockets.
pub fn router(backend: Arc<dyn ApiSocketBackend>) -> Router {
    Router::new()
        .route("/gantry/api-sockets", get(list).post(create))
        .route("/gantry/api-sockets/{name}", get(inspect).delete(remove))
        .with_state(backend)
}

async fn list(State(backend): Backend) -> Answer<Response> {
    answer::document(&backend.list().await?)
}

async fn create(State(backend): Backend, body: JsonBody<Value>) -> Answer<Response> {
    let socket = backend.create(request(body.required()?)?).await?;
    answer::document_with(StatusCode::CREATED, &socket)
}

/// Unlike Docker's documents, this one must not have unknown keys: a misspelt `Redact` or
/// `Filters` would otherwise make a socket that tells more than was meant.
fn request(document: Value) -> Answer<ApiSocketCreateRequest> {
    let keys = document.as_object().map(|object| object.keys()).into_iter().flatten();
    for key in keys {
        if !KEYS.contains(&key.to_ascii_lowercase().as_str()) {
            return Err(ApiError::invalid(format!("unknown key {key:?}")));
        }
    }
    engine_api::from_value(document).map_err(|error| ApiError::invalid(error.to_string()))
}

async fn inspect(State(backend): Backend, ObjectName(name): ObjectName) -> Answer<Response> {
    answer::document(&backend.inspect(&name).await?)
}

async fn remove(State(backend): Backend, ObjectName(name): ObjectName) -> Answer<StatusCode> {
    backend.remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_are_refused() {
        assert!(request(serde_json::json!({"Name": "a", "allow": ["events"]})).is_ok());
        let error = request(serde_json::json!({"Name": "a", "Filter": {}})).unwrap_err();
        assert_eq!(
            (error.status.as_u16(), error.message.as_str()),
            (400, "unknown key \"Filter\"")
        );
    }
}
