//! `search` and `login`: the registry's answers, filtered.

use std::collections::BTreeMap;

use distribution::{Credentials, Login, SearchResult};

use crate::{FilterError, ImageError, Images};

const MAX_RESULTS: u16 = 100;

/// What `search` is asked for.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// Words, with a registry in front if it is not Docker Hub.
    pub term: String,
    /// How many at most; 25 when there is none.
    pub limit: Option<u16>,
    /// `stars`, `is-official`, `is-automated`.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

impl Images {
    /// Searches a registry.
    ///
    /// # Errors
    /// [`ImageError::Filter`], [`ImageError::Distribution`].
    pub async fn search(&self, request: SearchRequest) -> Result<Vec<SearchResult>, ImageError> {
        let keep = Keep::from_map(&request.filters).map_err(ImageError::Filter)?;
        let limit = request.limit.unwrap_or(25).clamp(1, MAX_RESULTS);
        let credentials = request.credentials.as_ref();
        let mut found = self.inner.client.search(&request.term, limit, credentials).await?;
        found.retain(|result| keep.covers(result));
        Ok(found)
    }

    /// Checks credentials against a registry.
    ///
    /// # Errors
    /// [`ImageError::Distribution`].
    pub async fn login(
        &self,
        server: &str,
        credentials: &Credentials,
    ) -> Result<Login, ImageError> {
        Ok(self.inner.client.login(server, credentials).await?)
    }
}

#[derive(Default)]
struct Keep {
    stars: i64,
    official: Option<bool>,
    automated: Option<bool>,
}

impl Keep {
    fn from_map(map: &BTreeMap<String, Vec<String>>) -> Result<Self, FilterError> {
        let mut keep = Self::default();
        for (name, values) in map {
            for value in values {
                let bad = || FilterError::Value { name: name.clone(), value: value.clone() };
                match name.as_str() {
                    "stars" => keep.stars = keep.stars.max(value.parse().map_err(|_| bad())?),
                    "is-official" => keep.official = Some(value.parse().map_err(|_| bad())?),
                    "is-automated" => keep.automated = Some(value.parse().map_err(|_| bad())?),
                    _ => return Err(FilterError::Name(name.clone())),
                }
            }
        }
        Ok(keep)
    }

    fn covers(&self, result: &SearchResult) -> bool {
        result.star_count >= self.stars
            && self.official.is_none_or(|wanted| wanted == result.is_official)
            && self.automated.is_none_or(|wanted| wanted == result.is_automated)
    }
}
