//! Bearer tokens: fetched per scope, kept while they are fresh.
//!
//! Source: the token authentication specification of the distribution project (GET with Basic,
//! and the OAuth 2 form with an identity token).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    ClientConfig, Credentials, DistributionError, Secret,
    exchange::{Exchange, Http, Limit, authority, go_method, shown},
    payload::Payload,
};

const CLIENT_ID: &str = "gantry";
const DOCUMENT: Limit = Limit { what: "token document", bytes: 1024 * 1024 };
/// What a token server means that does not say how long a token lives.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// A token is given up this long before its end.
const MARGIN: Duration = Duration::from_secs(10);

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenKey {
    pub(crate) realm: String,
    pub(crate) service: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) credentials: Option<Credentials>,
}

/// A token and, when a login asked for it, the refresh token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    pub(crate) refresh: Option<Secret>,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenDocument {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: String,
    #[serde(default)]
    expires_in: u64,
}

/// Tokens by what they are for. Concurrent askers of one key share one request.
#[derive(Default)]
pub(crate) struct Tokens {
    cells: Mutex<HashMap<TokenKey, Arc<OnceCell<Token>>>>,
}

impl Tokens {
    pub(crate) async fn get(
        &self,
        http: &Http,
        config: &ClientConfig,
        key: &TokenKey,
    ) -> Result<Token, DistributionError> {
        let cell = self.cell(key);
        cell.get_or_try_init(|| fetch(http, config, key, Offline::No)).await.cloned()
    }

    /// Forgets a token that a registry did not accept.
    pub(crate) fn forget(&self, key: &TokenKey) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn cell(&self, key: &TokenKey) -> Arc<OnceCell<Token>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        cells.retain(|_, cell| cell.get().is_none_or(|token| token.until > now));
        cells.entry(key.clone()).or_default().clone()
    }
}

/// Whether a refresh token is asked for (logins).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offline {
    Yes,
    No,
}

/// `Basic` with a user name and password.
pub(crate) fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    let pair = format!("{username}:{}", password.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    sensitive(&format!("Basic {encoded}"))
}

/// `Bearer` with a token.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Asks the token server once.
pub(crate) async fn fetch(
    http: &Http,
    config: &ClientConfig,
    key: &TokenKey,
    offline: Offline,
) -> Result<Token, DistributionError> {
    let realm =
        Url::parse(&key.realm).map_err(|_| DistributionError::Address(key.realm.clone()))?;
    let is_plain = realm.scheme() != "https" && !config.is_insecure(&authority(&realm));
    if is_plain && key.credentials.is_some() {
        return Err(DistributionError::PlainRealm { realm: key.realm.clone() });
    }
    let exchange = match &key.credentials {
        Some(Credentials::IdentityToken(refresh)) => refresh_form(realm, key, refresh),
        _ => query(realm, key, offline),
    };
    let (method, url) = (exchange.method.clone(), exchange.url.clone());
    let answer = http.send(exchange).await?;
    if !answer.status().is_success() {
        return Err(refused(http.refusal(answer, &method, &url).await, &method, &url));
    }
    let body = http.document(answer, &url, DOCUMENT).await?;
    let document: TokenDocument = serde_json::from_slice(&body)
        .map_err(|source| DistributionError::Malformed { what: "token document", source })?;
    token(document, &url)
}

fn refused(error: DistributionError, method: &Method, url: &Url) -> DistributionError {
    let message = match error {
        DistributionError::Refused(refusal) if matches!(refusal.status, 401 | 403) => {
            refusal.message
        }
        DistributionError::Status { status: StatusCode::UNAUTHORIZED, .. } => {
            "incorrect username or password".to_owned()
        }
        other => return other,
    };
    DistributionError::Unauthorized { method: go_method(method), url: shown(url), message }
}

fn token(document: TokenDocument, url: &Url) -> Result<Token, DistributionError> {
    let value = if document.token.is_empty() { document.access_token } else { document.token };
    if value.is_empty() {
        return Err(DistributionError::Challenge {
            url: shown(url),
            challenge: "token server did not include a token in the response".to_owned(),
        });
    }
    let life = match document.expires_in {
        0 => DEFAULT_LIFE,
        seconds => Duration::from_secs(seconds.min(24 * 3600)),
    };
    let refresh = (!document.refresh_token.is_empty()).then(|| Secret::new(document.refresh_token));
    let until = Instant::now() + life.saturating_sub(MARGIN);
    Ok(Token { value: Secret::new(value), refresh, until })
}

fn query(mut realm: Url, key: &TokenKey, offline: Offline) -> Exchange {
    let mut headers = HeaderMap::new();
    {
        let mut pairs = realm.query_pairs_mut();
        if !key.service.is_empty() {
            pairs.append_pair("service", &key.service);
        }
        for scope in &key.scopes {
            pairs.append_pair("scope", scope);
        }
        if let Some(Credentials::Password { username, password }) = &key.credentials {
            pairs.append_pair("account", username);
            if offline == Offline::Yes {
                pairs.append_pair("offline_token", "true").append_pair("client_id", CLIENT_ID);
            }
            if let Some(value) = basic(username, password) {
                headers.insert(header::AUTHORIZATION, value);
            }
        }
    }
    Exchange { method: Method::GET, url: realm, headers, payload: Payload::Empty }
}

fn refresh_form(realm: Url, key: &TokenKey, refresh: &Secret) -> Exchange {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", &key.service)
        .append_pair("client_id", CLIENT_ID)
        .append_pair("scope", &key.scopes.join(" "))
        .append_pair("refresh_token", refresh.expose())
        .finish();
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    Exchange {
        method: Method::POST,
        url: realm,
        headers,
        payload: Payload::Bytes(Bytes::from(form)),
    }
}
