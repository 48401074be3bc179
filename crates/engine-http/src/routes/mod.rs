//! The routers, one per resource.

pub mod api_socket;
pub mod container;
pub mod exec;
pub mod image;
pub mod network;
pub mod system;
pub mod unbuilt;
pub mod volume;

use std::{convert::Infallible, sync::Arc};

use axum::{Router, extract::FromRequestParts};
use http::request::Parts;

use crate::{
    ApiError, ApiVersion,
    backend::{ApiSocketBackend, Backends},
};

/// All routes over an engine's backends. Unknown paths and methods are `page not found`.
pub fn router(backends: Backends) -> Router {
    finished(resources(backends))
}

/// The same with the routes that manage scoped sockets.
pub fn router_with_sockets(backends: Backends, sockets: Arc<dyn ApiSocketBackend>) -> Router {
    finished(resources(backends).merge(api_socket::router(sockets)))
}

fn resources(backends: Backends) -> Router {
    Router::new()
        .merge(system::router(backends.system))
        .merge(container::router(backends.container))
        .merge(exec::router(backends.exec))
        .merge(image::router(backends.image))
        .merge(volume::router(backends.volume))
        .merge(network::router(backends.network))
        .merge(unbuilt::router())
}

fn finished(router: Router) -> Router {
    router.fallback(page_not_found).method_not_allowed_fallback(page_not_found)
}

async fn page_not_found() -> ApiError {
    ApiError::not_found("page not found")
}

impl<S: Sync> FromRequestParts<S> for ApiVersion {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::NEWEST))
    }
}
