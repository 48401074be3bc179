//! The router of a scoped socket: every request is looked up before its handler runs.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use super::{
    Scope, Scoped,
    route::{self, Grant},
};
use crate::{ApiError, backend::Backends, routes::image::Operation};

/// The routes of an engine as a scope allows them.
pub fn router(scope: Arc<Scope>, backends: Backends) -> Router {
    let scoped = Scoped::new(Arc::clone(&scope), backends);
    // Layers wrap the fallbacks too: what no route matches is refused as well.
    crate::routes::router(scoped.backends()).layer(from_fn_with_state(scope, check))
}

async fn check(State(scope): State<Arc<Scope>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let grant = grant(&mut parts).await;
    match decide(&scope, grant, &parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => {
            tracing::info!(socket = %scope.name, error = %error, "refused a request");
            error.into_response()
        }
    }
}

/// What the request's route asks, by the same reading of its path that its handler has.
async fn grant(parts: &mut Parts) -> Option<Grant> {
    let route = parts.extensions.get::<MatchedPath>()?.as_str();
    if route != route::IMAGES {
        return route::grant(&parts.method, route);
    }
    let parameters = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let (_, path) = parameters.iter().next()?;
    let (operation, _) = Operation::of(&parts.method, path)?;
    Some(route::image_grant(operation))
}

fn decide(scope: &Scope, grant: Option<Grant>, parts: &Parts) -> Result<(), ApiError> {
    match grant {
        Some(Grant::Always) => Ok(()),
        Some(Grant::Needs(permission)) if scope.allows(permission) => Ok(()),
        Some(Grant::Needs(permission)) => Err(scope.missing(permission)),
        Some(Grant::Never) | None => {
            Err(scope.refusal(format_args!("{} {}", parts.method, parts.uri.path())))
        }
    }
}
