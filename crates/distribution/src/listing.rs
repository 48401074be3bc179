//! Lists that come in pages: tags of a repository, repositories of a registry.

use http::{HeaderMap, Method, StatusCode, header};
use oci::distribution::{Catalog, TagList};

use crate::{
    Client, Credentials, DistributionError, Repository,
    client::{Answer, Call, Target},
    endpoint::Endpoint,
};

const MAX_PAGES: usize = 1000;

impl Client {
    /// Lists the repositories of a registry, as far as it tells.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn catalog(
        &self,
        domain: &str,
        credentials: Option<Credentials>,
    ) -> Result<Vec<String>, DistributionError> {
        let endpoint = Endpoint::of_domain(self.config(), domain);
        let scopes = ["registry:catalog:*".to_owned()];
        let mut all = Vec::new();
        let mut next = Some("/v2/_catalog?n=1000".to_owned());
        for _ in 0..MAX_PAGES {
            let Some(path) = next.take() else { break };
            let answer = self
                .call(Call {
                    scopes: &scopes,
                    credentials: credentials.as_ref(),
                    ..Call::get(&endpoint, path)
                })
                .await?;
            next = next_page(&answer);
            let page: Catalog = self.json(answer, "catalog").await?;
            all.extend(page.repositories);
        }
        Ok(all)
    }
}

impl Repository {
    /// Lists the repository's tags.
    ///
    /// # Errors
    /// Those of [`Repository::resolve`].
    pub async fn tags(&self) -> Result<Vec<String>, DistributionError> {
        let endpoint = self.endpoints.last().expect("a repository has at least one endpoint");
        let mut all = Vec::new();
        let mut next = None;
        for page in 0..MAX_PAGES {
            let answer = match next.take() {
                Some(path) => {
                    let call = self.call(endpoint, Method::GET, "tags/list");
                    self.client.call(Call { target: Target::Path(path), ..call }).await?
                }
                None if page == 0 => {
                    let headers = HeaderMap::new();
                    self.persistent(endpoint, Method::GET, "tags/list", &headers).await?
                }
                None => break,
            };
            if answer.response.status() != StatusCode::OK {
                return Err(self.refused(answer, &self.name).await);
            }
            next = next_page(&answer);
            let list: TagList = self.client.json(answer, "tag list").await?;
            all.extend(list.tags);
        }
        Ok(all)
    }
}

/// The path of `Link: <...>; rel="next"`, when it stays on the same registry.
fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.response.headers().get(header::LINK)?.to_str().ok()?;
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    if !parameters.contains("next") {
        return None;
    }
    let url = answer.url.join(target).ok()?;
    let is_same = url.host_str() == answer.url.host_str() && url.port() == answer.url.port();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    is_same.then(|| format!("{}{query}", url.path()))
}
