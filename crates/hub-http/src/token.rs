//! The token endpoint: `GET` with Basic credentials, `POST` as OAuth2.

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Request, header, request::Parts};
use hub::{Access, Account, Caller, Hub, HubError, IssuedToken, Secret, parse_scopes};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{App, answer::Failure, app, credentials::Credentials, origin::Origin};

#[derive(Serialize)]
struct Answer {
    token: String,
    access_token: String,
    expires_in: u32,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// The parameters of either form.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| Failure::bad_request(format!("parameter {name} is missing")))
    }

    /// `scope` may be repeated, and each may hold several.
    fn scopes(&self) -> Result<Vec<Access>, Failure> {
        let scopes = self.0.iter().filter(|(key, _)| key == "scope");
        let text: Vec<&str> = scopes.map(|(_, value)| value.as_str()).collect();
        parse_scopes(&text.join(" ")).map_err(|error| Failure::bad_request(error.to_string()))
    }

    fn client_id(&self) -> &str {
        self.get("client_id").unwrap_or_default()
    }
}

pub(crate) async fn get(
    State(App { hub, .. }): State<App>,
    RawQuery(query): RawQuery,
    head: Parts,
) -> Result<Response, Failure> {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    let account = match Credentials::of(&head.headers) {
        // A token must not beget another one, or it would never end.
        Credentials::Bearer(_) => return Err(HubError::WrongCredentials.into()),
        other => match other.caller(&hub, Origin::of(&head)).await? {
            Caller::Account(account) => Some(account),
            Caller::Anonymous | Caller::Token(_) => None,
        },
    };
    let issued =
        hub.issue(account.as_ref(), parameters.get("service"), &parameters.scopes()?).await?;
    let refresh_token = match &account {
        Some(account) if parameters.get("offline_token") == Some("true") => {
            Some(hub.grant_refresh_token(account, parameters.client_id()).await?)
        }
        _ => None,
    };
    Ok(answer(issued, refresh_token, None))
}

pub(crate) async fn post(
    State(App { hub, .. }): State<App>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let parameters = Parameters::parse(&app::document(body).await?);
    let scopes = parameters.scopes()?;
    let (account, refresh_token) = redeem(&hub, &head, &parameters).await?;
    let issued = hub.issue(Some(&account), parameters.get("service"), &scopes).await?;
    let scope: Vec<_> = issued.access.iter().map(ToString::to_string).collect();
    Ok(answer(issued, refresh_token, Some(scope.join(" "))))
}

/// Whose grant it is, and the refresh token to hand out.
async fn redeem(
    hub: &Hub,
    head: &Parts,
    parameters: &Parameters,
) -> Result<(Account, Option<Secret>), Failure> {
    match parameters.required("grant_type")? {
        "password" => {
            let name = parameters.required("username")?;
            let password = Secret::new(parameters.required("password")?);
            let account = hub.login(name, password, Origin::of(head).peer).await?;
            let refresh_token = match parameters.get("access_type") {
                Some("offline") => {
                    Some(hub.grant_refresh_token(&account, parameters.client_id()).await?)
                }
                _ => None,
            };
            Ok((account, refresh_token))
        }
        "refresh_token" => {
            let token = Secret::new(parameters.required("refresh_token")?);
            Ok((hub.redeem_refresh_token(&token).await?, Some(token)))
        }
        other => Err(Failure::bad_request(format!("grant type {other:?} is not supported"))),
    }
}

fn answer(issued: IssuedToken, refresh_token: Option<Secret>, scope: Option<String>) -> Response {
    let issued_at = OffsetDateTime::from_unix_timestamp(issued.issued_at)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let token = issued.token.expose().to_owned();
    let answer = Answer {
        access_token: token.clone(),
        token,
        expires_in: issued.lifetime_seconds,
        issued_at,
        refresh_token: refresh_token.map(|token| token.expose().to_owned()),
        scope,
    };
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
