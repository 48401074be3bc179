//! `/v1/search`, in the form that `docker search` and its daemon expect.

use axum::{
    Json,
    extract::{Query, State},
};
use http::request::Parts;
use hub::SearchPage;
use serde::{Deserialize, Serialize};

use crate::{App, answer::Failure, credentials::Credentials, origin::Origin};

const DEFAULT_RESULTS: u32 = 25;
const MAX_RESULTS: u32 = 100;
const MAX_QUERY_BYTES: usize = 255;

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    n: Option<u32>,
    page: Option<u32>,
}

#[derive(Serialize)]
pub(crate) struct Found {
    query: String,
    page: u32,
    page_size: u32,
    num_pages: u64,
    num_results: u64,
    results: Vec<Hit>,
}

/// Nobody can give stars or the official mark yet, so nobody has them.
#[derive(Serialize)]
struct Hit {
    name: String,
    description: String,
    star_count: u32,
    is_official: bool,
    is_automated: bool,
}

pub(crate) async fn search(
    State(App { hub, .. }): State<App>,
    Query(asked): Query<Asked>,
    head: Parts,
) -> Result<Json<Found>, Failure> {
    if asked.q.len() > MAX_QUERY_BYTES {
        return Err(Failure::bad_request("query is too long"));
    }
    let caller = Credentials::of(&head.headers).caller(&hub, Origin::of(&head)).await?;
    let limit = asked.n.unwrap_or(DEFAULT_RESULTS).clamp(1, MAX_RESULTS);
    let page = asked.page.unwrap_or(1).max(1);
    let wanted = SearchPage { offset: (page - 1).saturating_mul(limit), limit };
    let (found, total) = hub.search(&caller, &asked.q, wanted).await?;
    let hit = |repository: registry::catalog::Repository| Hit {
        name: repository.name.to_string(),
        description: repository.description,
        star_count: 0,
        is_official: false,
        is_automated: false,
    };
    Ok(Json(Found {
        query: asked.q,
        page,
        page_size: limit,
        num_pages: total.div_ceil(u64::from(limit)),
        num_results: total,
        results: found.into_iter().map(hit).collect(),
    }))
}
