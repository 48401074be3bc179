//! The routes, and what their handlers share.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    routing::{get, post},
};
use hub::Hub;

use crate::{answer::Failure, guard::HubGuard, health, origin::PublicUrl, search, token, users};

/// Forms and JSON documents are small.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
const DOCUMENT_TIME: Duration = Duration::from_secs(30);

/// What the hub's resources need.
#[derive(Clone)]
pub struct App {
    /// The hub.
    pub hub: Hub,
    /// The address that clients reach it by; what they say themselves when there is none.
    pub public_url: Option<PublicUrl>,
}

/// Makes all routes.
pub fn router(app: App) -> Router {
    let guard = HubGuard { hub: app.hub.clone(), public_url: app.public_url.clone() };
    let registry = registry_http::router(app.hub.registry().clone(), Arc::new(guard));
    Router::new()
        .route("/", get(health::home))
        .route("/token", get(token::get).post(token::post))
        .route("/v1/search", get(search::search))
        .route("/v1/users", post(users::sign_up))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(app)
        .merge(registry)
}

/// Reads a small document.
pub(crate) async fn document(body: Body) -> Result<Bytes, Failure> {
    let read = tokio::time::timeout(DOCUMENT_TIME, to_bytes(body, MAX_DOCUMENT_BYTES)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Failure::bad_request("request body was cut off or is too large")),
        Err(_) => Err(Failure::bad_request("request body stalled")),
    }
}
