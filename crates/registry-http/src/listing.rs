//! Lists of tags and of repositories, in pages.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use oci::distribution::{Catalog, TagList};
use registry::{RepositoryName, catalog::Page};

use crate::{
    answer::Failure,
    query::{Parameters, next_link},
    serve::Call,
};

/// Also what no `n` means: clients that know no pages should rarely meet one.
const MAX_PAGE: u32 = 10_000;

struct Asked {
    after: String,
    limit: u32,
}

impl Asked {
    fn of(call: &Call<'_>) -> Result<Self, Failure> {
        let parameters = Parameters::of(&call.head.uri)?;
        let after = parameters.get("last").unwrap_or_default().to_owned();
        Ok(Self { after, limit: parameters.limit(MAX_PAGE)? })
    }

    /// One more than asked for, to know whether there is more.
    fn page(&self) -> Page<'_> {
        Page { after: &self.after, limit: self.limit + 1 }
    }

    /// Cuts the extra one off and names the next page if it was there.
    fn cut<T: ToString>(&self, found: Vec<T>, path: &str) -> (Vec<String>, Option<HeaderValue>) {
        let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
        let limit = self.limit as usize;
        let has_more = names.len() > limit;
        names.truncate(limit);
        let last = names.last().filter(|_| has_more);
        let link =
            last.map(|last| next_link(path, &[("n", &self.limit.to_string()), ("last", last)]));
        (names, link)
    }
}

fn listed(document: impl IntoResponse, link: Option<HeaderValue>) -> Response {
    let mut response = document.into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

pub(crate) async fn tags(call: &Call<'_>, name: &RepositoryName) -> Result<Response, Failure> {
    let asked = Asked::of(call)?;
    let found = call.registry.tags(name, asked.page()).await?;
    let (tags, link) = asked.cut(found, &format!("/v2/{name}/tags/list"));
    Ok(listed(Json(TagList { name: name.to_string(), tags }), link))
}

pub(crate) async fn catalog(call: &Call<'_>) -> Result<Response, Failure> {
    let asked = Asked::of(call)?;
    let found = call.registry.repositories(asked.page()).await?;
    let names = found.into_iter().map(|repository| repository.name).collect();
    let (repositories, link) = asked.cut(names, "/v2/_catalog");
    Ok(listed(Json(Catalog { repositories }), link))
}
