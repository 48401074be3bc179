//! `GET /v1/search`: the one call of the old index API that clients still make.

use http::header;
use serde::{Deserialize, Serialize};

use crate::{Client, Credentials, DistributionError, client::Call, endpoint::Endpoint, token};

/// The scope by which Docker's engine asks for a token to search with.
const SCOPE: &str = "registry:catalog:search";

/// One repository that a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchResult {
    /// Name within the registry.
    #[serde(default)]
    pub name: String,
    /// One line.
    #[serde(default, deserialize_with = "oci::image::null_default")]
    pub description: String,
    /// How many people like it.
    #[serde(default)]
    pub star_count: i64,
    /// Whether the registry vouches for it.
    #[serde(default)]
    pub is_official: bool,
    /// Built by the registry; no longer used.
    #[serde(default)]
    pub is_automated: bool,
}

#[derive(Deserialize)]
struct SearchDocument {
    #[serde(default, deserialize_with = "oci::image::null_default")]
    results: Vec<SearchResult>,
}

impl Client {
    /// Searches a registry: `hub.example/term` on that registry, `term` on Docker Hub.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn search(
        &self,
        term: &str,
        limit: u16,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<SearchResult>, DistributionError> {
        let (domain, words) = match term.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest)
            }
            _ => ("index.docker.io", term),
        };
        let mut endpoint = Endpoint::of_domain(self.config(), domain);
        if domain == "index.docker.io" {
            // Docker Hub searches on its index host, not on its registry.
            endpoint.authority = domain.to_owned();
        }
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", words)
            .append_pair("n", &limit.to_string())
            .finish();
        let path = format!("/v1/search?{query}");
        // Named, because otherwise a token for what was last asked would be shown.
        let scopes = [SCOPE.to_owned()];
        let mut call = Call { credentials, scopes: &scopes, ..Call::get(&endpoint, path) };
        // The index never challenges: who asks shows private repositories only when told first.
        let is_safe = self.scheme(&endpoint).await? == "https"
            || self.config().is_insecure(&endpoint.authority);
        if let (true, Some(Credentials::Password { username, password })) = (is_safe, credentials) {
            call.headers.extend(
                token::basic(username, password).map(|value| (header::AUTHORIZATION, value)),
            );
        }
        if is_safe && matches!(credentials, Some(Credentials::IdentityToken(_))) {
            // Who has only a token for tokens must learn where those are made: this asks, and is
            // refused where the token is no good any more.
            let ask = Call::get(&endpoint, "/v2/".to_owned());
            self.call(Call { credentials, scopes: &scopes, ..ask }).await?;
        }
        let answer = self.call(call).await?;
        let document: SearchDocument = self.json(answer, "search result").await?;
        Ok(document.results)
    }
}
