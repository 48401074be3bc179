//! Whether the hub lives, and whether it can serve.

use axum::extract::State;
use http::StatusCode;
use registry::catalog::Page;
use types::error::chain;

use crate::App;

pub(crate) async fn home() -> &'static str {
    "gantry-hub\n"
}

pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Asks the database something.
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.hub.registry().repositories(Page { after: "", limit: 1 }).await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::error!(error = chain(&error), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "database is not available\n")
        }
    }
}
