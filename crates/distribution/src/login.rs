//! Whether credentials are good, and the identity token that stands for them.

use http::{HeaderMap, Method, StatusCode, header};

use crate::{
    Client, Credentials, DistributionError, Secret,
    challenge::Challenge,
    client::read_challenge,
    endpoint::Endpoint,
    exchange::{Exchange, go_method, shown},
    payload::Payload,
    token::{self, Offline, TokenKey},
};

/// The outcome of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// To be kept instead of the password, when the token server gives one.
    pub identity_token: Option<Secret>,
}

impl Client {
    /// Asks a registry's `/v2/` with credentials. `server` is a domain or a URL of one
    /// (`https://index.docker.io/v1/` means Docker Hub).
    ///
    /// # Errors
    /// [`DistributionError::Unauthorized`] when they are not accepted,
    /// [`DistributionError::LoginFailed`] for another status than 200.
    pub async fn login(
        &self,
        server: &str,
        credentials: &Credentials,
    ) -> Result<Login, DistributionError> {
        let endpoint = Endpoint::of_domain(self.config(), server_domain(server));
        let url = endpoint.url(self.scheme(&endpoint).await?, "/v2/")?;
        let bare = Exchange {
            method: Method::GET,
            url: url.clone(),
            headers: HeaderMap::new(),
            payload: Payload::Empty,
        };
        let answer = self.http().send(bare.clone()).await?;
        if answer.status().is_success() {
            return Ok(Login { identity_token: None });
        }
        if answer.status() != StatusCode::UNAUTHORIZED {
            let (url, status) = (shown(&url), answer.status());
            return Err(DistributionError::LoginFailed { url, status });
        }
        let challenge = read_challenge(&answer, &url)?;
        let (authorization, identity_token) = self.prove(&challenge, credentials, &bare).await?;
        let mut exchange = bare;
        if let Some(value) = authorization {
            exchange.headers.insert(header::AUTHORIZATION, value);
        }
        let answer = self.http().send(exchange).await?;
        match answer.status() {
            status if status.is_success() => Ok(Login { identity_token }),
            StatusCode::UNAUTHORIZED => Err(DistributionError::Unauthorized {
                method: go_method(&Method::GET),
                url: shown(&url),
                message: match self.http().refusal(answer, &Method::GET, &url).await {
                    DistributionError::Refused(refusal) => refusal.message,
                    _ => "incorrect username or password".to_owned(),
                },
            }),
            status => Err(DistributionError::LoginFailed { url: shown(&url), status }),
        }
    }

    async fn prove(
        &self,
        challenge: &Challenge,
        credentials: &Credentials,
        exchange: &Exchange,
    ) -> Result<(Option<http::HeaderValue>, Option<Secret>), DistributionError> {
        match (challenge, credentials) {
            (Challenge::Basic, Credentials::Password { username, password }) => {
                Ok((token::basic(username, password), None))
            }
            (Challenge::Basic, _) => Err(DistributionError::NoCredentials {
                method: go_method(&exchange.method),
                url: shown(&exchange.url),
            }),
            (Challenge::Bearer { .. }, Credentials::RegistryToken(token)) => {
                Ok((token::bearer(token), None))
            }
            (Challenge::Bearer { realm, service, scope }, _) => {
                let key = TokenKey {
                    realm: realm.clone(),
                    service: service.clone(),
                    scopes: scope.iter().cloned().collect(),
                    credentials: Some(credentials.clone()),
                };
                let token = token::fetch(self.http(), self.config(), &key, Offline::Yes).await?;
                Ok((token::bearer(&token.value), token.refresh))
            }
        }
    }
}

/// The domain that a server address of the clients' configuration means.
fn server_domain(server: &str) -> &str {
    let bare = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = bare.split('/').next().unwrap_or(bare);
    if host.is_empty() { types::reference::DEFAULT_DOMAIN } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_addresses() {
        assert_eq!(server_domain("https://index.docker.io/v1/"), "index.docker.io");
        assert_eq!(server_domain("127.0.0.1:5000"), "127.0.0.1:5000");
        assert_eq!(server_domain("hub.test/x"), "hub.test");
        assert_eq!(server_domain(""), "docker.io");
    }
}
