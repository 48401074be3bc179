//! Sign-up.

use axum::{Json, body::Body, extract::State};
use http::{Request, StatusCode};
use hub::{NewAccount, Role, Secret, UserName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{App, answer::Failure, app, origin::Origin};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    password: String,
}

pub(crate) async fn sign_up(
    State(App { hub, .. }): State<App>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (head, body) = request.into_parts();
    let document = app::document(body).await?;
    let asked: Asked = serde_json::from_slice(&document)
        .map_err(|_| Failure::bad_request("expected {\"name\": ..., \"password\": ...}"))?;
    let name: UserName =
        asked.name.parse().map_err(|error| Failure::from(hub::HubError::Account(error)))?;
    let new = NewAccount { name, password: Secret::new(asked.password), role: Role::User };
    let account = hub.sign_up(new, Origin::of(&head).peer).await?;
    Ok((StatusCode::CREATED, Json(json!({"name": account.name.as_str()}))))
}
