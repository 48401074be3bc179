//! The client: connections, tokens, and one call with authentication.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use url::Url;

use crate::{
    ClientConfig, Credentials, DistributionError,
    challenge::{self, Challenge},
    connector::Connector,
    endpoint::Endpoint,
    exchange::{Exchange, Http, authority, go_method, shown},
    payload::Payload,
    tls::TlsConfigs,
    token::{self, TokenKey, Tokens},
};

/// A registry client; cheap to clone, shared by everything that talks to registries.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<ClientConfig>,
    http: Http,
    tokens: Tokens,
    challenges: Mutex<HashMap<String, Challenge>>,
    schemes: Mutex<HashMap<String, &'static str>>,
}

/// Where a call goes.
pub(crate) enum Target {
    /// A path that starts with `/v2/` (or `/v1/` for search).
    Path(String),
    /// A URL that the registry gave.
    Url(Url),
}

/// One call to a registry.
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    pub(crate) scopes: &'a [String],
    pub(crate) credentials: Option<&'a Credentials>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(endpoint: &'a Endpoint, path: String) -> Self {
        Self {
            endpoint,
            method: Method::GET,
            target: Target::Path(path),
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            scopes: &[],
            credentials: None,
        }
    }
}

/// An answer and the URL that was asked.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) method: Method,
    pub(crate) url: Url,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; opens no connection.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        let config = Arc::new(config);
        let tls = Arc::new(TlsConfigs::new(config.clone()));
        let http = Http::new(config.clone(), Connector { config: config.clone(), tls });
        Self {
            inner: Arc::new(Inner {
                config,
                http,
                tokens: Tokens::default(),
                challenges: Mutex::default(),
                schemes: Mutex::default(),
            }),
        }
    }

    /// The rules that this client was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }

    /// Sends a call; answers a 401 with credentials or a token once. Any final status but 401
    /// is returned.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, DistributionError> {
        let url = match &call.target {
            Target::Path(path) => call.endpoint.url(self.scheme(call.endpoint).await?, path)?,
            Target::Url(url) => url.clone(),
        };
        // A registry may send an upload elsewhere; credentials stay with the registry.
        let is_own = authority(&url) == call.endpoint.authority;
        let known = if is_own { self.known_challenge(&call.endpoint.authority) } else { None };
        let first = match known {
            Some(challenge) => self.authorization(&challenge, &call, &url).await?,
            None => Authorization::none(),
        };
        let response = self.send(&call, &url, &first).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !is_own {
            return Ok(Answer { response, method: call.method, url });
        }
        self.call_again(call, url, response, first).await
    }

    async fn call_again(
        &self,
        call: Call<'_>,
        url: Url,
        refused: Response<Incoming>,
        first: Authorization,
    ) -> Result<Answer, DistributionError> {
        let challenge = read_challenge(&refused, &url)?;
        self.inner
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(call.endpoint.authority.clone(), challenge.clone());
        if let Some(key) = &first.token {
            self.inner.tokens.forget(key);
        }
        let second = self.authorization(&challenge, &call, &url).await?;
        if second.value.is_none() {
            return Err(DistributionError::NoCredentials {
                method: go_method(&call.method),
                url: shown(&url),
            });
        }
        if first.value == second.value {
            return Err(self.unauthorized(&call.method, &url, refused).await);
        }
        let response = self.send(&call, &url, &second).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.unauthorized(&call.method, &url, response).await);
        }
        Ok(Answer { response, method: call.method, url })
    }

    async fn unauthorized(
        &self,
        method: &Method,
        url: &Url,
        answer: Response<Incoming>,
    ) -> DistributionError {
        let message = match self.http().refusal(answer, method, url).await {
            DistributionError::Refused(refusal) => refusal.message,
            _ => "authentication required".to_owned(),
        };
        DistributionError::Unauthorized { method: go_method(method), url: shown(url), message }
    }

    async fn send(
        &self,
        call: &Call<'_>,
        url: &Url,
        authorization: &Authorization,
    ) -> Result<Response<Incoming>, DistributionError> {
        let mut headers = call.headers.clone();
        if let Some(value) = &authorization.value {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        let exchange = Exchange {
            method: call.method.clone(),
            url: url.clone(),
            headers,
            payload: call.payload.clone(),
        };
        self.http().send(exchange).await
    }

    fn known_challenge(&self, authority: &str) -> Option<Challenge> {
        let known = self.inner.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(authority).cloned()
    }

    async fn authorization(
        &self,
        challenge: &Challenge,
        call: &Call<'_>,
        url: &Url,
    ) -> Result<Authorization, DistributionError> {
        if url.scheme() != "https" && !self.config().is_insecure(&authority(url)) {
            return Ok(Authorization::none());
        }
        if let Some(Credentials::RegistryToken(token)) = call.credentials {
            return Ok(Authorization { value: token::bearer(token), token: None });
        }
        match challenge {
            Challenge::Basic => Ok(Authorization {
                value: match call.credentials {
                    Some(Credentials::Password { username, password }) => {
                        token::basic(username, password)
                    }
                    _ => None,
                },
                token: None,
            }),
            Challenge::Bearer { .. } => {
                let key = token_key(challenge, call);
                let token = self.inner.tokens.get(self.http(), self.config(), &key).await?;
                Ok(Authorization { value: token::bearer(&token.value), token: Some(key) })
            }
        }
    }

    /// The scheme for an endpoint: settled by its kind, or found out by asking once.
    pub(crate) async fn scheme(
        &self,
        endpoint: &Endpoint,
    ) -> Result<&'static str, DistributionError> {
        if let Some(scheme) = endpoint.scheme {
            return Ok(scheme);
        }
        let known = {
            let schemes = self.inner.schemes.lock().unwrap_or_else(PoisonError::into_inner);
            schemes.get(&endpoint.authority).copied()
        };
        if let Some(scheme) = known {
            return Ok(scheme);
        }
        let scheme = self.probe(endpoint).await?;
        let mut schemes = self.inner.schemes.lock().unwrap_or_else(PoisonError::into_inner);
        schemes.insert(endpoint.authority.clone(), scheme);
        Ok(scheme)
    }

    /// Docker's order for insecure registries: TLS with any certificate, then plain HTTP.
    async fn probe(&self, endpoint: &Endpoint) -> Result<&'static str, DistributionError> {
        let mut failure = None;
        for scheme in ["https", "http"] {
            let exchange = Exchange {
                method: Method::GET,
                url: endpoint.url(scheme, "/v2/")?,
                headers: HeaderMap::new(),
                payload: Payload::Empty,
            };
            match self.http().send(exchange).await {
                Ok(answer) => {
                    // A plain-HTTP 401 or 200 and a TLS one both prove the scheme.
                    tracing::debug!(registry = %endpoint.authority, scheme, status = %answer.status(), "settled scheme");
                    return Ok(scheme);
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("both schemes were tried and neither returned"))
    }
}

/// A header value and, for tokens, what it was got for.
struct Authorization {
    value: Option<HeaderValue>,
    token: Option<TokenKey>,
}

impl Authorization {
    fn none() -> Self {
        Self { value: None, token: None }
    }
}

fn token_key(challenge: &Challenge, call: &Call<'_>) -> TokenKey {
    let Challenge::Bearer { realm, service, scope } = challenge else {
        unreachable!("only called for bearer challenges")
    };
    let mut scopes = call.scopes.to_vec();
    if scopes.is_empty() {
        scopes.extend(scope.clone());
    }
    TokenKey {
        realm: realm.clone(),
        service: service.clone(),
        scopes,
        credentials: call.credentials.cloned(),
    }
}

/// The challenge of a 401; Bearer is preferred when both are offered.
pub(crate) fn read_challenge(
    answer: &Response<Incoming>,
    url: &Url,
) -> Result<Challenge, DistributionError> {
    let values = answer.headers().get_all(header::WWW_AUTHENTICATE);
    let texts: Vec<&str> = values.iter().filter_map(|value| value.to_str().ok()).collect();
    let mut found: Vec<Challenge> =
        texts.iter().filter_map(|text| challenge::parse(text)).collect();
    found.sort_by_key(|challenge| *challenge == Challenge::Basic);
    found.into_iter().next().ok_or_else(|| DistributionError::Challenge {
        url: shown(url),
        challenge: texts.join(", "),
    })
}
