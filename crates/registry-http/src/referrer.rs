//! The referrers API.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use oci::{
    image::{Descriptor, Index},
    media_type::OCI_INDEX,
};
use registry::{Referrer, ReferrerQuery, RepositoryName, catalog::Page};
use types::Digest;

use crate::{
    answer::Failure,
    query::{Parameters, next_link},
    serve::Call,
};

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const MAX_PAGE: u32 = 500;

pub(crate) async fn list(
    call: &Call<'_>,
    name: &RepositoryName,
    subject: &Digest,
) -> Result<Response, Failure> {
    let parameters = Parameters::of(&call.head.uri)?;
    let artifact_type = parameters.get("artifactType");
    let limit = parameters.limit(MAX_PAGE)?;
    let after = parameters.get("last").unwrap_or_default();
    let page = Page { after, limit: limit + 1 };
    let query = ReferrerQuery { subject, artifact_type, page };
    let mut found = call.registry.referrers(name, query).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| has_more).map(|last| last.manifest.digest.to_string());
    let mut response = Json(index(found)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
    if artifact_type.is_some() {
        headers.insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = last {
        let limit = limit.to_string();
        let mut pairs = vec![("n", limit.as_str()), ("last", last.as_str())];
        pairs.extend(artifact_type.map(|text| ("artifactType", text)));
        let path = format!("/v2/{name}/referrers/{subject}");
        headers.insert(header::LINK, next_link(&path, &pairs));
    }
    Ok(response)
}

fn index(referrers: Vec<Referrer>) -> Index {
    Index {
        schema_version: 2,
        media_type: Some(OCI_INDEX.into()),
        manifests: referrers.into_iter().map(descriptor).collect(),
        subject: None,
        artifact_type: None,
        annotations: None,
    }
}

fn descriptor(referrer: Referrer) -> Descriptor {
    Descriptor {
        media_type: referrer.manifest.media_type,
        digest: referrer.manifest.digest,
        size: referrer.manifest.size_bytes,
        urls: None,
        annotations: referrer.annotations,
        platform: None,
        artifact_type: referrer.artifact_type,
    }
}
