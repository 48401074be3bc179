//! From request to answer: route, caller, permission, handler.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use registry::Registry;

use crate::{
    answer::{Code, Failure},
    blob,
    body::Incoming,
    guard::{Guard, Session},
    listing, manifest, referrer,
    route::Route,
    upload,
};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) registry: Registry,
    guard: Arc<dyn Guard>,
}

/// One request past the guard.
pub(crate) struct Call<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) session: &'a dyn Session,
    pub(crate) head: &'a Parts,
}

impl Call<'_> {
    /// A header as text; one that is not ASCII counts as absent.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn method(&self) -> &Method {
        &self.head.method
    }
}

/// Makes the routes below `/v2`.
pub fn router(registry: Registry, guard: Arc<dyn Guard>) -> Router {
    let api = Api { registry, guard };
    Router::new()
        .route("/v2", any(serve))
        .route("/v2/", any(serve))
        .route("/v2/{*rest}", any(serve))
        .with_state(api)
}

async fn serve(State(api): State<Api>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let mut incoming = Incoming::new(body);
    let mut response = match answer(&api, &head, &mut incoming).await {
        Ok(response) => response,
        Err(failure) => {
            incoming.drain().await;
            failure.into_response()
        }
    };
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}

async fn answer(api: &Api, head: &Parts, body: &mut Incoming) -> Result<Response, Failure> {
    let route = Route::parse(head.uri.path())?;
    let session = api.guard.identify(head).await?;
    session.check(&route.need(&head.method)).await?;
    let call = Call { registry: &api.registry, session: &*session, head };
    match (&route, head.method.as_str()) {
        (Route::Base, "GET" | "HEAD") => Ok(base()),
        (Route::Catalog, "GET") => listing::catalog(&call).await,
        (Route::Tags(name), "GET") => listing::tags(&call, name).await,
        (Route::Manifest(name, reference), "GET" | "HEAD") => {
            manifest::get(&call, name, reference).await
        }
        (Route::Manifest(name, reference), "PUT") => {
            manifest::put(&call, name, reference, body).await
        }
        (Route::Manifest(name, reference), "DELETE") => {
            manifest::delete(&call, name, reference).await
        }
        (Route::Blob(name, digest), "GET" | "HEAD") => blob::get(&call, name, digest).await,
        (Route::Blob(name, digest), "DELETE") => blob::delete(&call, name, digest).await,
        (Route::Uploads(name), "POST") => upload::begin(&call, name, body).await,
        (Route::Upload(name, id), "GET" | "HEAD") => upload::status(&call, name, id).await,
        (Route::Upload(name, id), "PATCH") => upload::append(&call, name, id, body).await,
        (Route::Upload(name, id), "PUT") => upload::finish(&call, name, id, body).await,
        (Route::Upload(name, id), "DELETE") => upload::cancel(&call, name, id).await,
        (Route::Referrers(name, subject), "GET") => referrer::list(&call, name, subject).await,
        _ => Err(unsupported(&route)),
    }
}

fn base() -> Response {
    let mut response = Response::new(Body::from("{}"));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn unsupported(route: &Route) -> Failure {
    let allowed = match route {
        Route::Base => "GET, HEAD",
        Route::Catalog | Route::Tags(_) | Route::Referrers(..) => "GET",
        Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Route::Blob(..) => "GET, HEAD, DELETE",
        Route::Uploads(_) => "POST",
        Route::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
    };
    Failure::new(Code::Unsupported, "the operation is unsupported")
        .with_header(header::ALLOW, HeaderValue::from_static(allowed))
}

/// An answer without a body.
pub(crate) fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
